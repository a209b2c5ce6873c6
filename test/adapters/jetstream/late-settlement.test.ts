/** A process that lost its lease settles late what its successor was handed meanwhile: that tells nothing of the other messages. */
import { afterAll, beforeAll, expect, it } from 'vitest'
import { jetstream } from '../../../adapters/jetstream/index.js'
import { createBus } from '../../../src/bus.js'
import { RetryLater } from '../../../src/errors.js'
import { until } from '../../../testing/suite/expect.js'
import { Gate } from '../../gate.js'
import { type NatsServer, startNats } from '../../servers/nats-server.js'
import { startProxy } from '../../servers/proxy.js'

const streams = [{ name: 'orders', subjects: ['orders.>'] }]
const consumer = { name: 'billing', stream: 'orders', order: 'key', ackWait: '1500ms' } as const
const [BUSY, FAILED, NEWER] = ['busy', 'failed', 'newer']

let server: NatsServer
beforeAll(async () => {
  server = await startNats()
})
afterAll(() => server.stop())

it('JS-C8: a message waits for an earlier one of its key, although one that its process holds too was settled by the process before', {
  timeout: 40_000,
}, async () => {
  const link = await startProxy(server.port)
  await using first = createBus({ adapter: jetstream({ servers: link.url }), streams })
  await using second = createBus({ adapter: jetstream({ servers: server.url }), streams })
  await Promise.all([first.connect(), second.connect()])
  const [gates, started] = [{ first: new Gate(), second: new Gate() }, [] as unknown[]]
  const handler = ({ data }: { readonly data: unknown }) => {
    if (data === FAILED) throw new RetryLater(9_000)
    return gates.first.opened
  }
  const pool = await first.consume(consumer, handler, { concurrency: 1, prefetch: 1 })
  await first.publish('orders.b', FAILED, { key: 'b' })
  await until(() => pool.stats().retried === 1, 'one to have failed')
  for (const key of ['a', 'c']) await first.publish(`orders.${key}`, BUSY, { key })
  await until(() => pool.stats().waiting === 1, 'no room for more')

  link.stall('toServer')
  await second.consume(consumer, ({ data }) => {
    started.push(data)
    return data === BUSY ? gates.second.opened : undefined
  })
  await until(() => started.length === 2, 'the second process to be handed what the first has in its hands')
  link.pass()
  gates.first.open()
  await until(() => pool.stats().handled === 1, 'the first process to settle it')
  await second.publish('orders.b', NEWER, { key: 'b' })
  await until(() => started.length === 4, 'the other key', 20_000)
  expect(started).toEqual([BUSY, BUSY, FAILED, NEWER])
  gates.second.open()
  await first.close()
  await link.stop()
})
