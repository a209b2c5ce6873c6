/**
 * The suite on dual(nats) with the PostgreSQL that comes as a development dependency and the older nats-server. The short form is what dual
 * itself does with them; the rest of each is in `memory-18.suite.test.ts`, and in the suite of the nats adapter.
 */
import { afterAll, beforeAll } from 'vitest'
import { jetstream } from '../../../adapters/jetstream/index.js'
import { type NatsServer, startNats } from '../../servers/nats-server.js'
import { startPostgres } from '../../servers/postgres.js'
import { isShort } from '../../short-form.js'
import { describeDualSuite } from './suite.js'

const GROUPS = ['publish', 'dedup', 'delayed', 'dead letter', 'transactions', 'ledger', 'durability']
let nats: NatsServer | undefined
beforeAll(async () => {
  nats = await startNats({ version: '2.10' })
})
afterAll(async () => {
  await nats?.stop()
})
describeDualSuite({
  name: 'dual(nats 2.10), PostgreSQL 18',
  inner: () => jetstream({ servers: nats?.url ?? 'nats://127.0.0.1:1' }),
  start: () => startPostgres({ binaries: 'embedded' }),
  ...(isShort && { groups: GROUPS }),
})
