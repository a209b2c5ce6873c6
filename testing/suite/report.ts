/**
 * Group `lag and reports`: the figures that a person or an autoscaler reads, exact once nothing moves.
 */
import assert from 'node:assert/strict'
import { nth, range, until } from './expect.js'
import { type GroupDefinition, scenario } from './harness.js'

const TOPICS = [
  'accepted',
  'broker-down',
  'dead-letter',
  'delivery',
  'handler-duplicates',
  'lost-only-if',
  'order',
  'phantoms',
  'publish-dedup',
  'replay',
  'shutdown',
]

export const report: GroupDefinition = {
  name: 'lag and reports',
  scenarios: [
    scenario('a consumer reports what is pending and what is in flight', async (s) => {
      const bus = await s.bus()
      await s.publish(bus, 'a', range(1, 10))
      const gate = s.gate()
      await bus.consume(s.consumer({ maxInFlight: 3 }), gate.enter, s.pool())
      await gate.reached(3)
      const { name, stream, pending, inFlight, waiting, feeds } = await s.consumerReport(bus)
      assert.deepEqual([name, stream], [s.named('worker'), s.main])
      assert.deepEqual({ pending, inFlight, waiting, feeds }, { pending: 7, inFlight: 3, waiting: 0, feeds: 1 })
      gate.open()
      await s.idle(bus)
    }),

    scenario('a consumer reports only what its filter takes', async (s) => {
      const bus = await s.bus()
      const pool = await bus.consume(s.consumer({ filter: s.to('orders.*') }), () => {}, s.pool())
      await pool.stop()
      for (const path of ['orders.1', 'invoices.1', 'orders.2']) await bus.publish(s.to(path), path)
      assert.equal((await s.consumerReport(bus)).pending, 2)
    }),

    scenario('a message that waits for its next attempt is in flight and waiting', async (s) => {
      const bus = await s.bus()
      await s.publish(bus, 'a', ['fails', 'fine'])
      const pool = await bus.consume(
        s.consumer(),
        (message) => {
          if (message.data === 'fails') throw new Error('always')
        },
        s.pool({ retry: { attempts: 9, backoff: ['1m'], jitter: 0 } }),
      )
      await until(() => pool.stats().retried === 1 && pool.stats().handled === 1, 'both to be tried')
      await until(async () => (await s.consumerReport(bus)).inFlight === 1, 'the good one to be settled')
      const { pending, inFlight, waiting } = await s.consumerReport(bus)
      assert.deepEqual({ pending, inFlight, waiting }, { pending: 0, inFlight: 1, waiting: 1 })
    }),

    scenario('a consumer reports how many feeds it serves', async (s) => {
      const [one, two] = [await s.bus(), await s.bus()]
      await one.consume(s.consumer(), () => {}, s.pool())
      const second = await two.consume(s.consumer(), () => {}, s.pool())
      assert.equal((await s.consumerReport(one)).feeds, 2)
      await second.stop()
      assert.equal((await s.consumerReport(one)).feeds, 1)
    }),

    scenario(
      "a pool's lag counts every message not settled: not handed out, held, running or waiting for a retry",
      async (s) => {
        const bus = await s.bus()
        await s.publish(bus, 'a', ['fails', ...range(1, 9)])
        const gate = s.gate()
        const pool = await bus.consume(
          s.consumer(),
          (message) => {
            if (message.data === 'fails') throw new Error('always')
            return gate.enter()
          },
          s.pool({ concurrency: 2, prefetch: 1, retry: { attempts: 9, backoff: ['1m'], jitter: 0 } }),
        )
        await gate.reached(2)
        await until(() => pool.stats().waiting === 1, 'one to be held ready')
        const { lag, inFlight, waiting } = pool.stats()
        assert.deepEqual({ lag, inFlight, waiting }, { lag: 10, inFlight: 2, waiting: 1 })
        gate.open()
        await until(() => pool.stats().handled === 9, 'the good ones')
        await until(async () => (await s.consumerReport(bus)).inFlight === 1, 'the good ones to be settled')
        assert.equal(pool.stats().lag, 1)
      },
    ),

    scenario('the lag of a pool that has handled everything is 0', async (s) => {
      const bus = await s.bus()
      const pool = await bus.consume(s.consumer(), () => {}, s.pool())
      await s.publish(bus, 'a', range(1, 20))
      await s.idle(bus)
      const { lag, inFlight, waiting, handled } = pool.stats()
      assert.deepEqual({ lag, inFlight, waiting, handled }, { lag: 0, inFlight: 0, waiting: 0, handled: 20 })
    }),

    scenario('a pool counts what became of its attempts', async (s) => {
      const bus = await s.bus()
      await s.publish(bus, 'a', ['good', 'good', 'once', 'always'])
      const pool = await bus.consume(
        s.consumer(),
        (message, { attempt }) => {
          if (message.data === 'always' || (message.data === 'once' && attempt === 1)) throw new Error('failed')
        },
        s.pool({ retry: { attempts: 2, backoff: [10], jitter: 0 } }),
      )
      await s.idle(bus)
      const { handled, failed, retried, dead, duplicates } = pool.stats()
      assert.deepEqual(
        { handled, failed, retried, dead, duplicates },
        { handled: 3, failed: 3, retried: 2, dead: 1, duplicates: 0 },
      )
    }),

    scenario('a stream reports its messages, bytes, first and last position', async (s) => {
      const bus = await s.bus()
      const empty = await s.streamReport(bus)
      assert.deepEqual([empty.messages, empty.bytes, empty.firstSequence, empty.lastSequence], [0, 0, 0, 0])
      const receipts = [await bus.publish(s.to('a'), 'x'.repeat(98)), await bus.publish(s.to('b'), 'x'.repeat(48))]
      const { messages, bytes, firstSequence, lastSequence, subjects, delayed } = await s.streamReport(bus)
      assert.deepEqual(
        [messages, firstSequence, lastSequence],
        [2, nth(receipts, 0).sequence, nth(receipts, 1).sequence],
      )
      assert.deepEqual([subjects, delayed], [[s.to('>')], 0])
      assert.ok(bytes >= 150, `${bytes} bytes for 150 bytes of payload`)
    }),

    scenario('inspect() lists the running pools with their figures, and not the stopped ones', async (s) => {
      const bus = await s.bus()
      const pool = await bus.consume(s.consumer(), () => {}, s.pool())
      await s.publish(bus, 'a', [1])
      await s.idle(bus)
      const { pools, state, adapter } = await bus.inspect()
      assert.deepEqual(
        pools.map((each) => [each.consumer, each.stats.handled]),
        [[s.named('worker'), 1]],
      )
      assert.deepEqual([state, adapter], ['open', (await bus.health()).adapter])
      await pool.stop()
      assert.deepEqual((await bus.inspect()).pools, [])
    }),

    scenario('a bus that is open and has nothing to complain of is healthy', async (s) => {
      const bus = await s.bus()
      const { status, state, reasons } = await bus.health()
      assert.deepEqual({ status, state, reasons }, { status: 'ok', state: 'open', reasons: [] })
    }),

    scenario('a bus with a paused pool is degraded and says which', async (s) => {
      const bus = await s.bus()
      const pool = await bus.consume(s.consumer(), () => {}, s.pool())
      pool.pause()
      const paused = await bus.health()
      assert.equal(paused.status, 'degraded')
      assert.ok(paused.reasons.some((reason) => reason.includes(s.named('worker'))))
      pool.resume()
      assert.equal((await bus.health()).status, 'ok')
    }),

    scenario(
      'a bus is down before it is connected and after it was closed, and health() says so without failing',
      async (s) => {
        const bus = await s.unconnectedBus()
        const before = await bus.health()
        await bus.connect()
        await bus.close()
        const after = await bus.health()
        assert.deepEqual([before.status, before.state, after.status, after.state], ['down', 'new', 'down', 'closed'])
        assert.ok(before.reasons.length > 0 && after.reasons.length > 0)
      },
    ),

    scenario('guarantees() has a line for every topic, with what was observed', async (s) => {
      const bus = await s.bus()
      const lines = await bus.guarantees()
      assert.deepEqual(lines.map((line) => line.topic).toSorted(), TOPICS)
      for (const { topic, promise, observed } of lines) assert.ok(promise.length > 0 && observed.length > 0, topic)
    }),

    scenario('an adapter declares what the harness says, before and after it was opened', async (s) => {
      const closed = await s.harness.connect()
      const open = await s.adapter()
      assert.deepEqual([closed.supports, open.supports], [s.supports, s.supports])
      assert.match(open.name, /^[a-z][a-z0-9-]*$/)
      await closed.close()
    }),
  ],
}
