/** The conformance suite against a real server of one version line: every scenario, those that kill and restart the server included. */
import { afterAll, beforeAll, describe, it } from 'vitest'
import { jetstream } from '../../../adapters/jetstream/index.js'
import { adapterSuite } from '../../../testing/adapter-suite.js'
import type { VersionLine } from '../../servers/nats-binary.js'
import { type NatsServer, startNats } from '../../servers/nats-server.js'

/**
 * @param sync `always`: the server syncs each publish, and the adapter knows, so that it publishes in batches
 * @param only groups by name; default: all
 */
export function describeSuite(version: VersionLine, sync?: 'always', only?: readonly string[]): void {
  const syncing = sync === undefined ? {} : { syncInterval: sync }
  let server: NatsServer | undefined
  const running = (): NatsServer => {
    if (server === undefined) throw new Error('the server was not started')
    return server
  }
  beforeAll(async () => {
    server = await startNats({ version, ...syncing })
  })
  afterAll(async () => {
    await server?.stop()
  })
  const harness = {
    name: ['nats', version, sync].join(' ').trim(),
    supports: jetstream().supports,
    connect: () => jetstream({ servers: running().url, ...syncing }),
    restart: () => running().restart(),
  }
  const isWanted = ({ name }: { readonly name: string }): boolean => only?.some((end) => name.endsWith(end)) ?? true
  for (const group of adapterSuite(harness).filter(isWanted)) {
    describe(group.name, () => {
      // They wait for the server most of the time: some at once.
      for (const { title, alone, run } of group.scenarios) (alone ? it : it.concurrent)(title, () => run())
    })
  }
}
