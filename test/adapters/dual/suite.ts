/** The conformance suite over a ledger in a real PostgreSQL, which is killed and started again by the scenarios that ask for it. */
import { randomBytes } from 'node:crypto'
import { afterAll, beforeAll, describe, it } from 'vitest'
import { dual } from '../../../adapters/dual/index.js'
import type { Adapter } from '../../../src/adapter.js'
import { adapterSuite } from '../../../testing/adapter-suite.js'
import { type PostgresServer, startPostgres } from '../../servers/postgres.js'

export interface DualSuite {
  readonly name: string
  readonly binaries?: 'system' | 'embedded'
  /** A new client of one inner backend. */
  readonly inner: () => Adapter
}

export function describeDualSuite({ name, binaries, inner }: DualSuite): void {
  const schema = `suite_${randomBytes(4).toString('hex')}`
  let server: PostgresServer | undefined
  const running = (): PostgresServer => {
    if (server === undefined) throw new Error('the server was not started')
    return server
  }
  beforeAll(async () => {
    server = await startPostgres(binaries === undefined ? {} : { binaries })
  })
  afterAll(async () => {
    await server?.stop()
  })
  const connect = (url: string) => dual({ inner: inner(), connection: url, schema })
  const harness = {
    name,
    supports: connect('postgres://nobody@127.0.0.1:1/none').supports,
    connect: () => connect(running().url),
    restart: () => running().restart(),
  }
  for (const group of adapterSuite(harness)) {
    describe(group.name, () => {
      // They wait for disks most of the time: some at once.
      for (const { title, alone, run } of group.scenarios) (alone ? it : it.concurrent)(title, () => run())
    })
  }
}
