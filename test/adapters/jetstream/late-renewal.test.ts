/** A process stands still while the answer to the renewal of its lease is on the way: when it goes on, the lease is another's. */
import { expect, it } from 'vitest'
import { jetstream } from '../../../adapters/jetstream/index.js'
import { createBus } from '../../../src/bus.js'
import { type Clock, systemClock } from '../../../src/clock.js'
import type { MessageBus } from '../../../src/message-bus.js'
import { until } from '../../../testing/suite/expect.js'
import { startNats } from '../../servers/nats-server.js'
import { startProxy } from '../../servers/proxy.js'
import { StandingClock } from './fixtures/standing-clock.js'

const MESSAGES = 60
const ORDERED = { name: 'ordered', stream: 'orders', order: 'key', ackWait: 500 } as const
const POOL = { retry: { attempts: 1000 } }

it('a lease whose renewal is answered after its term is not held any more', { timeout: 40_000 }, async () => {
  const server = await startNats()
  const link = await startProxy(server.port)
  const clock = new StandingClock()
  const [one, two] = [await busOver(link.url, clock), await busOver(server.url)]
  const handled = { one: [] as unknown[], two: [] as unknown[] }
  try {
    await one.consume(ORDERED, ({ data }) => handled.one.push(data), POOL)
    await two.consume(ORDERED, ({ data }) => handled.two.push(data), POOL)
    await two.publish('orders.a', 'first')
    await until(() => handled.one.includes('first'), 'the holder to be served')

    const renewals = (): number => link.sent.split('Nats-Expected-Last-Subject-Sequence').length
    link.stall('toClient')
    const before = renewals()
    await until(() => renewals() > before, 'a renewal')
    clock.standStill()
    await two.publish('orders.a', 'second')
    await until(() => handled.two.includes('second'), 'the other one to take over')

    link.pass()
    // Its answer comes behind that of the renewal.
    await one.inspect()
    for (let n = 0; n < MESSAGES; n++) await two.publish('orders.a', n)
    await until(() => numbers(handled.one) + numbers(handled.two) >= MESSAGES, 'all messages')
    expect(numbers(handled.one)).toBe(0)
  } finally {
    clock.goOn()
    await Promise.all([one.close({ within: 500 }), two.close({ within: 500 })])
    await link.stop()
    await server.stop()
  }
})

function numbers(handled: readonly unknown[]): number {
  return handled.filter((data) => typeof data === 'number').length
}

async function busOver(servers: string, clock: Clock = systemClock): Promise<MessageBus> {
  const streams = [{ name: 'orders', subjects: ['orders.>'] }]
  const bus = createBus({ adapter: jetstream({ servers }), streams, clock })
  await bus.connect()
  return bus
}
