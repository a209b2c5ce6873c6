/**
 * A consumer's leader changes while the link to the client stands: what the old leader handed out can be lost between the nodes, and comes
 * back only after its ack wait. On one server: somebody else takes the message, and the client is told of a change.
 */
import { connect, headers } from '@nats-io/transport-node'
import { expect, it } from 'vitest'
import { jetstream } from '../../../adapters/jetstream/index.js'
import { createBus } from '../../../src/bus.js'
import { range, until } from '../../../testing/suite/expect.js'
import { Gate } from '../../gate.js'
import { startNats } from '../../servers/nats-server.js'
import { startProxy } from '../../servers/proxy.js'

/** As many as the pool holds. */
const PLUGS = range(1, 2)

it('JS-R4: newer messages of a key wait for one that was lost when the leader changed', {
  timeout: 40_000,
}, async () => {
  const server = await startNats()
  const link = await startProxy(server.port)
  const thief = await connect({ servers: server.url })
  try {
    const streams = [{ name: 'orders', subjects: ['orders.>'] }]
    await using bus = createBus({ adapter: jetstream({ servers: link.url }), streams })
    await bus.connect()
    const handled: unknown[] = []
    const room = new Gate()
    const consumer = { name: 'billing', stream: 'orders', order: 'key', ackWait: '2s' } as const
    const pool = await bus.consume(
      consumer,
      async ({ data }) => {
        if (data === 'plug') await room.opened
        else handled.push(data)
      },
      { concurrency: 1, prefetch: 1 },
    )
    const next = '$JS.API.CONSUMER.MSG.NEXT.orders.billing'
    const requests = (): string[] =>
      [...link.sent.matchAll(/MSG\.NEXT\.orders\.billing (\S+)/g)].map(([, to = '']) => to)
    for (const _ of PLUGS) await bus.publish('orders.plug', 'plug')
    await until(() => pool.stats().inFlight + pool.stats().waiting === PLUGS.length, 'a pool that has no room')
    const loot = thief.subscribe('loot', { max: 1 })
    thief.publish(next, JSON.stringify({ batch: 1, expires: 30_000_000_000 }), { reply: 'loot' })
    await thief.flush()
    await bus.publish('orders.red', 1, { key: 'red' })
    for await (const { subject } of loot) expect(subject).toBe('orders.red')
    const before = requests().length
    room.open()
    await until(() => requests().length === before + PLUGS.length, 'requests of a pool that has room')
    const asked = requests()
    const change = { headers: headers(409, 'Leadership Change') }
    for (const request of asked.slice(before)) thief.publish(request, '', change)
    await until(() => requests().length > asked.length, 'a request of the new leader')
    for (const n of range(2, 5)) await bus.publish('orders.red', n, { key: 'red' })
    await until(() => handled.length === 5, 'everything')
    expect(handled).toEqual(range(1, 5))
  } finally {
    await thief.close()
    await link.stop()
    await server.stop()
  }
})
