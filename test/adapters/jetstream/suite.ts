/** The conformance suite against a real server of one version line: every scenario, those that kill and restart the server included. */
import { afterAll, beforeAll, describe, it } from 'vitest'
import { jetstream } from '../../../adapters/jetstream/index.js'
import { adapterSuite } from '../../../testing/adapter-suite.js'
import type { VersionLine } from '../../servers/nats-binary.js'
import { type NatsServer, startNats } from '../../servers/nats-server.js'

export function describeSuite(version: VersionLine): void {
  let server: NatsServer | undefined
  const running = (): NatsServer => {
    if (server === undefined) throw new Error('the server was not started')
    return server
  }
  beforeAll(async () => {
    server = await startNats({ version })
  })
  afterAll(async () => {
    await server?.stop()
  })
  const harness = {
    name: `nats ${version}`,
    supports: jetstream().supports,
    connect: () => jetstream({ servers: running().url }),
    restart: () => running().restart(),
  }
  for (const group of adapterSuite(harness)) {
    describe(group.name, () => {
      for (const scenario of group.scenarios) it(scenario.title, scenario.run)
    })
  }
}
