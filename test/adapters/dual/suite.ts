/** The conformance suite over a ledger in a real PostgreSQL, which is killed and started again by the scenarios that ask for it. */
import { randomBytes } from 'node:crypto'
import { afterAll, beforeAll, describe, it } from 'vitest'
import { type DualOptions, dual } from '../../../adapters/dual/index.js'
import type { Adapter } from '../../../src/adapter.js'
import { adapterSuite, type SuiteGroup } from '../../../testing/adapter-suite.js'
import { type PostgresServer, startPostgres } from '../../servers/postgres.js'

type Server = Pick<PostgresServer, 'url' | 'restart' | 'stop'>

export interface DualSuite {
  readonly name: string
  /** A new client of one inner backend. */
  readonly inner: () => Adapter
  /** Default: a schema of its own. */
  readonly options?: Pick<DualOptions, 'schema' | 'migrate'>
  /** Default: whatever PostgreSQL the machine has. */
  readonly start?: () => Promise<Server>
  /** Only groups of the suite whose names end so. Default: all. */
  readonly groups?: readonly string[]
}

export function describeDualSuite({ name, inner, options, start = startPostgres, groups }: DualSuite): void {
  const own = options ?? { schema: `suite_${randomBytes(4).toString('hex')}` }
  let server: Server | undefined
  const running = (): Server => {
    if (server === undefined) throw new Error('the server was not started')
    return server
  }
  beforeAll(async () => {
    server = await start()
  })
  afterAll(async () => {
    await server?.stop()
  })
  const connect = (url: string) => dual({ inner: inner(), connection: url, ...own })
  const harness = {
    name,
    supports: connect('postgres://nobody@127.0.0.1:1/none').supports,
    connect: () => connect(running().url),
    restart: () => running().restart(),
  }
  const isAsked = ({ name: full }: SuiteGroup): boolean =>
    groups === undefined || groups.some((group) => full.endsWith(`: ${group}`))
  for (const group of adapterSuite(harness).filter(isAsked)) {
    describe(group.name, () => {
      // They wait for disks most of the time: some at once.
      for (const { title, alone, run } of group.scenarios) (alone ? it : it.concurrent)(title, () => run())
    })
  }
}
