/** A server that comes back with an older state of its consumer, as after a full disk: it hands out again what it has forgotten. */
import { copyFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { jetstream } from '../../../adapters/jetstream/index.js'
import { createBus } from '../../../src/bus.js'
import { pass, until } from '../../../testing/suite/expect.js'
import { Gate } from '../../gate.js'
import { type NatsServer, startNats } from '../../servers/nats-server.js'

const streams = [{ name: 'orders', subjects: ['orders.>'] }]
const consumer = { name: 'billing', stream: 'orders', ackWait: '20s' } as const

let server: NatsServer
beforeAll(async () => {
  server = await startNats()
})
afterAll(() => server.stop())

it('what the server has forgotten to have handed out is not started by who holds it, while somebody else is handed it', {
  timeout: 40_000,
}, async () => {
  const state = stateOf(server, 'billing')
  await using held = createBus({ adapter: jetstream({ servers: server.url }), streams })
  await using free = createBus({ adapter: jetstream({ servers: server.url }), streams })
  await Promise.all([held.connect(), free.connect()])
  const [gate, started] = [new Gate(), { held: [] as unknown[], free: [] as unknown[] }]
  const handler = ({ data }: { readonly data: unknown }) => {
    started.held.push(data)
    return data === 3 ? gate.opened : undefined
  }
  const pool = await held.consume(consumer, handler, { concurrency: 1, prefetch: 1 })
  for (const n of [1, 2]) await held.publish('orders.a', n)
  await until(() => pool.stats().handled === 2, 'the first two')
  await server.restartGently()
  await copyFile(state, `${state}.older`)
  for (const n of [3, 4]) await held.publish('orders.a', n)
  await until(() => pool.stats().waiting === 1, 'a message that waits for its turn')

  await server.kill()
  await copyFile(`${state}.older`, state)
  await server.restart()
  await held.publish('orders.a', 5)
  await free.consume(consumer, ({ data }) => void started.free.push(data))
  await until(() => started.free.length === 3, 'all three to be handed to somebody else')
  gate.open()
  await until(() => pool.stats().waiting === 0 && pool.stats().inFlight === 0, 'the first pool to be through')
  expect(started).toEqual({ held: [1, 2, 3], free: [3, 4, 5] })
})

it('JS-S11: what was held by extensions that the server has forgotten is not started, while somebody else is handed it', {
  timeout: 40_000,
}, async () => {
  const consumer = { name: 'late', stream: 'orders', ackWait: '2s', filter: 'orders.b' } as const
  await using held = createBus({ adapter: jetstream({ servers: server.url }), streams })
  await using free = createBus({ adapter: jetstream({ servers: server.url }), streams })
  await Promise.all([held.connect(), free.connect()])
  const [gate, started] = [new Gate(), { held: [] as unknown[], free: [] as unknown[] }]
  const handler = ({ data }: { readonly data: unknown }) => {
    started.held.push(data)
    return gate.opened
  }
  const pool = await held.consume(consumer, handler, { concurrency: 1, prefetch: 1 })
  for (const n of [1, 2]) await held.publish('orders.b', n)
  await until(() => pool.stats().waiting === 1, 'a message that waits for its turn')
  await server.restartGently()
  const state = stateOf(server, 'late')
  await copyFile(state, `${state}.older`)
  await pass(1800)

  await server.kill()
  await copyFile(`${state}.older`, state)
  await pass(300)
  await server.restart()
  await held.publish('orders.a', 0)
  await free.consume(consumer, ({ data }) => void started.free.push(data))
  await until(() => started.free.length === 2, 'both to be handed to somebody else')
  gate.open()
  await until(() => pool.stats().waiting === 0 && pool.stats().inFlight === 0, 'the first pool to be through')
  expect(started).toEqual({ held: [1], free: expect.arrayContaining([1, 2]) })
})

/** What the server keeps of a consumer. */
function stateOf({ storeDir }: NatsServer, consumer: string): string {
  return join(storeDir, 'jetstream', '$G', 'streams', 'orders', 'obs', consumer, 'o.dat')
}
