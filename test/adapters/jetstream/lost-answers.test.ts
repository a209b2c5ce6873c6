/** The server's answer to a question is lost, as in a cluster that elects a leader: what may be asked twice is asked again. */
import { expect, it } from 'vitest'
import { jetstream } from '../../../adapters/jetstream/index.js'
import { createBus } from '../../../src/bus.js'
import { until } from '../../../testing/suite/expect.js'
import { startNats } from '../../servers/nats-server.js'
import { startProxy } from '../../servers/proxy.js'

it('a consumer starts although the first answer about it is lost', { timeout: 40_000 }, async () => {
  const server = await startNats()
  const link = await startProxy(server.port)
  try {
    const bus = createBus({
      adapter: jetstream({ servers: link.url }),
      streams: [{ name: 'orders', subjects: ['orders.>'] }],
    })
    await bus.connect()
    await bus.publish('orders.a', 1)
    const before = link.sent.length
    link.stall('toClient')
    const handled: unknown[] = []
    const started = bus.consume({ name: 'billing', stream: 'orders' }, ({ data }) => handled.push(data))
    const asked = (): number => link.sent.slice(before).split('STREAM.INFO.orders ').length - 1
    await until(() => asked() === 2, 'the second question')
    link.pass()
    await started
    await until(() => handled.length === 1, 'the message')
    expect(handled).toEqual([1])
    await bus.close()
  } finally {
    await link.stop()
    await server.stop()
  }
})
