/** The suite on dual(nats): PostgreSQL and a real NATS server, each client with connections of its own to both. */
import { afterAll, beforeAll } from 'vitest'
import { jetstream } from '../../../adapters/jetstream/index.js'
import { type NatsServer, startNats } from '../../servers/nats-server.js'
import { describeDualSuite } from './suite.js'

let nats: NatsServer | undefined
beforeAll(async () => {
  nats = await startNats({ version: '2.15' })
})
afterAll(async () => {
  await nats?.stop()
})
describeDualSuite({ name: 'dual(nats)', inner: () => jetstream({ servers: nats?.url ?? 'nats://127.0.0.1:1' }) })
