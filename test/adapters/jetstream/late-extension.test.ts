/** Extensions of an ack wait that are on their way for too long: the server has handed the message to somebody else meanwhile. */
import { afterAll, beforeAll, expect, it } from 'vitest'
import { jetstream } from '../../../adapters/jetstream/index.js'
import { createBus } from '../../../src/bus.js'
import { until } from '../../../testing/suite/expect.js'
import { Gate } from '../../gate.js'
import { type NatsServer, startNats } from '../../servers/nats-server.js'
import { startProxy } from '../../servers/proxy.js'

const streams = [{ name: 'orders', subjects: ['orders.>'] }]
const consumer = { name: 'billing', stream: 'orders', ackWait: '1500ms' } as const

let server: NatsServer
beforeAll(async () => {
  server = await startNats()
})
afterAll(() => server.stop())

it('JS-S11: what was not extended in time is not started, although the link came back and all of it was sent', {
  timeout: 30_000,
}, async () => {
  const link = await startProxy(server.port)
  await using held = createBus({ adapter: jetstream({ servers: link.url }), streams })
  await using free = createBus({ adapter: jetstream({ servers: server.url }), streams })
  await Promise.all([held.connect(), free.connect()])
  const [gate, started] = [new Gate(), { held: [] as unknown[], free: [] as unknown[] }]
  const handler = ({ data }: { readonly data: unknown }) => {
    started.held.push(data)
    return gate.opened
  }
  const pool = await held.consume(consumer, handler, { concurrency: 1, prefetch: 1 })
  for (const n of [1, 2]) await held.publish('orders.a', n)
  await until(() => pool.stats().waiting === 1, 'a message that waits for its turn')

  link.stall('toServer')
  await free.consume(consumer, ({ data }) => void started.free.push(data))
  await until(() => started.free.length === 2, 'both to be handed to somebody else')
  link.pass()
  gate.open()
  await until(() => pool.stats().handled === 1 && pool.stats().waiting === 0, 'the first pool to be through')
  expect(started).toEqual({ held: [1], free: expect.arrayContaining([1, 2]) })
  await held.close()
  await link.stop()
})
