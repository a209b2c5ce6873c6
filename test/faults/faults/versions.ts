/** The oldest nats-server that busbar takes (F18). */
import type { Fault } from '../fault.js'
import { brokerKilled } from './broker.js'
import { workerKilled } from './processes.js'

const OLDEST = '2.10'

export const oldServer: Fault = {
  code: 'F18',
  title: `nats-server ${OLDEST} is killed, and a worker of it`,
  adapters: ['nats', 'dual'],
  needs: { version: OLDEST },
  lacks: async ({ options }) => (options.version === OLDEST ? undefined : `nats-server is not ${OLDEST}`),
  async happen(world) {
    await workerKilled.happen(world)
    await brokerKilled.happen(world)
  },
}
