/**
 * Group `live`: subscriptions and signals, at most once and nothing from before; and subscriptions with a start, without a gap.
 */
import assert from 'node:assert/strict'
import { nth, pass, range, refuses, until } from './expect.js'
import { type GroupDefinition, scenario, when, without } from './harness.js'

export const live: GroupDefinition = {
  name: 'live',
  scenarios: [
    when('live', 'every subscriber gets each published message once', async (s) => {
      const [one, two] = [await s.bus(), await s.bus()]
      const [first, second, third] = [s.collector(), s.collector(), s.collector()]
      await one.subscribe(s.to('>'), first.collect)
      await one.subscribe(s.to('*'), second.collect)
      await two.subscribe(s.to('a'), third.collect)
      await s.publish(one, 'a', range(1, 10))
      await Promise.all([first.reached(10), second.reached(10), third.reached(10)])
      await pass(20)
      for (const got of [first, second, third]) assert.deepEqual(got.data, range(1, 10))
    }),

    when('live', 'a subscriber gets what its pattern takes and nothing else', async (s) => {
      const bus = await s.bus()
      const got = s.collector()
      await bus.subscribe(s.to('orders.*'), got.collect)
      for (const path of ['orders.1', 'orders.1.placed', 'invoices.1', 'orders.2']) await bus.publish(s.to(path), path)
      await got.reached(2)
      await pass(20)
      assert.deepEqual(got.data, ['orders.1', 'orders.2'])
    }),

    when('live', 'a subscriber gets nothing from before', async (s) => {
      const bus = await s.bus()
      await s.publish(bus, 'a', ['before'])
      const got = s.collector()
      await bus.subscribe(s.to('>'), got.collect)
      await s.publish(bus, 'a', ['after'])
      await got.reached(1)
      await pass(20)
      assert.deepEqual(got.data, ['after'])
    }),

    when('live', 'a signal reaches every subscriber of every client, and is not stored', async (s) => {
      const [one, two] = [await s.bus(), await s.bus()]
      const [near, far] = [s.collector(), s.collector()]
      await one.subscribe(s.to('>', 'presence'), near.collect)
      await two.subscribe(s.to('u1', 'presence'), far.collect)
      await one.signal(s.to('u1', 'presence'), { online: true }, { headers: { from: 'one' } })
      await Promise.all([near.reached(1), far.reached(1)])
      const message = nth(far.messages, 0)
      assert.deepEqual(
        [message.data, message.subject, { ...message.headers }],
        [{ online: true }, s.to('u1', 'presence'), { from: 'one' }],
      )
      assert.deepEqual([message.stream, message.sequence], ['', 0])
      assert.deepEqual(await s.stored(one), [])
    }),

    when('live', 'a signal that nobody listens to is forgotten', async (s) => {
      const bus = await s.bus()
      await bus.signal(s.to('u1', 'presence'), 'lost')
      const got = s.collector()
      await bus.subscribe(s.to('>', 'presence'), got.collect)
      await bus.signal(s.to('u1', 'presence'), 'heard')
      await got.reached(1)
      assert.deepEqual(got.data, ['heard'])
    }),

    when('live', "a signal to a stream's subject is refused", async (s) => {
      const bus = await s.bus()
      await refuses('BUS_CONFLICT', () => bus.signal(s.to('a'), 1))
      assert.deepEqual(await s.stored(bus), [])
    }),

    when('live', 'a bad signal is refused', async (s) => {
      const bus = await s.bus()
      await refuses('BUS_INVALID_SUBJECT', () => bus.signal(s.to('*', 'presence'), 1))
      await refuses('BUS_INVALID_MESSAGE', () => bus.signal(s.to('a', 'presence'), undefined))
      await refuses('BUS_INVALID_MESSAGE', () => bus.signal(s.to('a', 'presence'), 1, { headers: { Status: '1' } }))
    }),

    when('live', 'bytes in a signal arrive as they were', async (s) => {
      const bus = await s.bus()
      const got = s.collector()
      await bus.subscribe(s.to('>', 'presence'), got.collect)
      await bus.signal(s.to('a', 'presence'), Uint8Array.of(0, 128, 255))
      await got.reached(1)
      assert.deepEqual(got.data, [Uint8Array.of(0, 128, 255)])
    }),

    when('live', 'what one subscriber does to its data, another does not see', async (s) => {
      const bus = await s.bus()
      const seen: unknown[] = []
      for (const _ of [1, 2]) {
        await bus.subscribe(s.to('>'), (message) => {
          seen.push(structuredClone(message.data))
          Object.assign(message.data as object, { n: 0 })
        })
      }
      await s.publish(bus, 'a', [{ n: 1 }])
      await until(() => seen.length === 2, 'both subscribers')
      assert.deepEqual(seen, [{ n: 1 }, { n: 1 }])
    }),

    when('live', 'a stopped subscription hears nothing more, and the others go on', async (s) => {
      const bus = await s.bus()
      const [stopped, other] = [s.collector(), s.collector()]
      const stop = await bus.subscribe(s.to('>'), stopped.collect)
      await bus.subscribe(s.to('>'), other.collect)
      await stop()
      await stop()
      await s.publish(bus, 'a', [1])
      await other.reached(1)
      assert.deepEqual(stopped.data, [])
    }),

    when('live', 'a handler may stop its own subscription, and none starts afterwards', async (s) => {
      const bus = await s.bus()
      const got = s.collector()
      const stop = await bus.subscribe(s.to('>'), async (message) => {
        got.collect(message)
        await stop()
      })
      await s.publish(bus, 'a', [1])
      await got.reached(1)
      await s.publish(bus, 'a', [2, 3])
      await pass(50)
      assert.deepEqual(got.data, [1])
    }),

    when('live', 'a subscriber whose handler throws hears the next message', async (s) => {
      const bus = await s.bus()
      const got = s.collector()
      await bus.subscribe(s.to('>'), (message) => {
        got.collect(message)
        throw new Error('mine')
      })
      await s.publish(bus, 'a', [1, 2])
      await got.reached(2)
      assert.deepEqual(got.data, [1, 2])
    }),

    when('live', 'a subscriber by topic gets typed data and parameters, and is spared what does not fit', async (s) => {
      const bus = await s.bus()
      const orders = s.numbers('orders.{orderId}')
      const seen: [number, string][] = []
      await bus.subscribe(orders, (message) => seen.push([message.data.n, message.params.orderId]))
      await bus.publish(s.to('orders.1'), { n: 'one' })
      await bus.publish(orders.at({ orderId: 'two' }), { n: 2 })
      await until(() => seen.length > 0, 'the message')
      assert.deepEqual(seen, [[2, 'two']])
    }),

    without('live', 'signals and live subscriptions are refused', async (s) => {
      const bus = await s.bus()
      await refuses('BUS_UNSUPPORTED', () => bus.signal(s.to('a', 'presence'), 1))
      await refuses('BUS_UNSUPPORTED', () => bus.subscribe(s.to('>'), () => {}))
    }),

    scenario("a subscription from 'all' reads everything once, without a gap, while publishing goes on", async (s) => {
      const [publisher, reader] = [await s.bus(), await s.bus()]
      await s.publish(publisher, 'a', range(1, 60))
      const got = s.collector()
      const more = s.publish(publisher, 'a', range(61, 120))
      await reader.subscribe(s.to('>'), got.collect, { from: 'all' })
      await more
      await s.publish(publisher, 'a', range(121, 140))
      await got.reached(140)
      assert.deepEqual(got.data, range(1, 140))
    }),

    scenario('a subscription from a position reads on from there', async (s) => {
      const bus = await s.bus()
      await s.publish(bus, 'a', [1, 2, 3])
      const got = s.collector()
      await bus.subscribe(s.to('a'), got.collect, { from: { sequence: nth(await s.history(bus), 1).sequence } })
      await s.publish(bus, 'a', [4])
      await got.reached(3)
      assert.deepEqual(got.data, [2, 3, 4])
    }),

    scenario("a subscription from 'last' begins with the newest message", async (s) => {
      const bus = await s.bus()
      await s.publish(bus, 'a', [1, 2])
      const got = s.collector()
      await bus.subscribe(s.to('a'), got.collect, { from: 'last' })
      await got.reached(1)
      await s.publish(bus, 'a', [3])
      await got.reached(2)
      assert.deepEqual(got.data, [2, 3])
    }),

    scenario("a subscription from 'new' misses nothing that is published after it began", async (s) => {
      const bus = await s.bus()
      await s.publish(bus, 'a', ['before'])
      const got = s.collector()
      await bus.subscribe(s.to('a'), got.collect, { from: 'new' })
      await s.publish(bus, 'a', [1, 2])
      await got.reached(2)
      assert.deepEqual(got.data, [1, 2])
    }),

    scenario(
      'a subscription with a start handles one message after the other, and goes on after a failure',
      async (s) => {
        const bus = await s.bus()
        await s.publish(bus, 'a', range(1, 6))
        const got = s.collector()
        let [running, most] = [0, 0]
        await bus.subscribe(
          s.to('a'),
          async (message) => {
            most = Math.max(most, ++running)
            await new Promise(setImmediate)
            running--
            got.collect(message)
            if (message.data === 2) throw new Error('mine')
          },
          { from: 'all' },
        )
        await got.reached(6)
        assert.deepEqual([got.data, most], [range(1, 6), 1])
      },
    ),

    scenario('a subscription with a start takes nothing away from consumers', async (s) => {
      const bus = await s.bus()
      const [reader, worker] = [s.collector(), s.collector()]
      await bus.subscribe(s.to('a'), reader.collect, { from: 'all' })
      await bus.consume(s.consumer(), worker.collect, s.pool({ concurrency: 1 }))
      await s.publish(bus, 'a', [1, 2])
      await Promise.all([reader.reached(2), worker.reached(2)])
      assert.deepEqual(
        [reader.data, worker.data],
        [
          [1, 2],
          [1, 2],
        ],
      )
    }),

    scenario('a subscription with a start hears nothing after it was stopped', async (s) => {
      const bus = await s.bus()
      const got = s.collector()
      const stop = await bus.subscribe(s.to('a'), got.collect, { from: 'all' })
      await s.publish(bus, 'a', [1])
      await got.reached(1)
      await stop()
      await s.publish(bus, 'a', [2])
      await pass(30)
      assert.deepEqual(got.data, [1])
    }),
  ],
}
