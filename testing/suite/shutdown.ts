/**
 * Group `shutdown`: stopping a pool, with an exact report, nothing lost, and hand-backs that cost no attempt. Closing the
 * bus around it is `close.ts`.
 */
import assert from 'node:assert/strict'
import { Reject } from '../../src/errors.js'
import { busyPool } from './busy-pool.js'
import { pass, range, refuses, until } from './expect.js'
import { type GroupDefinition, scenario } from './harness.js'

export const shutdown: GroupDefinition = {
  name: 'shutdown',
  scenarios: [
    scenario('stop() awaits the running handlers, hands back the rest, and reports exactly that', async (s) => {
      const { pool, gate } = await busyPool(s, { concurrency: 2, prefetch: 3 })
      const stopping = pool.stop()
      gate.open()
      assert.deepEqual(await stopping, { finished: 2, released: 3, aborted: 0 })
      assert.deepEqual([pool.stats().handled, pool.stats().inFlight, pool.stats().waiting], [2, 0, 0])
    }),

    scenario('what a stopped pool handed back is handled elsewhere at once, and has lost no attempt', async (s) => {
      const { pool, gate, messages } = await busyPool(s, { concurrency: 2, prefetch: 3 })
      const other = await s.bus()
      const got = s.collector()
      const stopping = pool.stop()
      await other.consume(s.consumer(), got.collect, s.pool())
      const began = performance.now()
      await got.reached(messages - 2)
      s.inTime(began, 0, 'the hand-over')
      gate.open()
      await stopping
      await s.idle(other)
      assert.deepEqual(got.data.toSorted(), range(3, messages))
      assert.deepEqual(new Set(got.attempts), new Set([1]))
    }),

    scenario('nothing starts after stop() was called', async (s) => {
      const { bus, pool, gate } = await busyPool(s, { concurrency: 1, prefetch: 0 })
      const stopping = pool.stop()
      await s.publish(bus, 'a', ['late'])
      gate.open()
      await stopping
      await pass(40)
      assert.equal(gate.arrivals, 1)
    }),

    scenario('what ended while a pool stopped is settled and not handled again', async (s) => {
      const { pool, gate, messages } = await busyPool(s, { concurrency: 2, prefetch: 0 })
      const stopping = pool.stop()
      gate.open()
      assert.equal((await stopping).finished, 2)
      const other = await s.bus()
      const got = s.collector()
      await other.consume(s.consumer(), got.collect, s.pool())
      await s.idle(other)
      assert.deepEqual(got.data.toSorted(), range(3, messages))
    }),

    scenario(
      'a handler that fails while its pool stops is finished, and its message is handled elsewhere as the next attempt',
      async (s) => {
        const bus = await s.bus()
        const gate = s.gate()
        const pool = await bus.consume(
          s.consumer(),
          async () => {
            await gate.enter()
            throw new Error('failed')
          },
          s.pool(),
        )
        await s.publish(bus, 'a', ['a'])
        await gate.reached(1)
        const stopping = pool.stop()
        gate.open()
        assert.deepEqual(await stopping, { finished: 1, released: 0, aborted: 0 })
        const got = s.collector()
        await (await s.bus()).consume(s.consumer(), got.collect, s.pool())
        await got.reached(1)
        assert.deepEqual(got.attempts, [2])
      },
    ),

    scenario('a message that is given up while its pool stops leaves its dead letter', async (s) => {
      const bus = await s.bus()
      const gate = s.gate()
      const pool = await bus.consume(
        s.consumer(),
        async () => {
          await gate.enter()
          throw new Reject('bad')
        },
        s.pool(),
      )
      await s.publish(bus, 'a', ['bad'])
      await gate.reached(1)
      const stopping = pool.stop()
      gate.open()
      assert.equal((await stopping).finished, 1)
      assert.deepEqual(
        (await s.letters(bus)).map((letter) => letter.data),
        ['bad'],
      )
      await until(async () => (await s.consumerReport(bus)).inFlight === 0, 'the original to be settled')
    }),

    scenario('stop({ within: 0 }) aborts what runs, at once, and reports it', async (s) => {
      const bus = await s.bus()
      const gate = s.gate()
      let aborted = 0
      const pool = await bus.consume(
        s.consumer(),
        (_, { signal }) => {
          signal.addEventListener('abort', () => aborted++)
          return gate.enter()
        },
        s.pool({ concurrency: 2, prefetch: 1 }),
      )
      await s.publish(bus, 'a', range(1, 5))
      await gate.reached(2)
      await until(() => pool.stats().waiting === 1, 'one to be held ready')
      const began = performance.now()
      assert.deepEqual(await pool.stop({ within: 0 }), { finished: 0, released: 1, aborted: 2 })
      s.inTime(began, 0, 'the stop')
      assert.equal(aborted, 2)
    }),

    scenario('a handler that ignores its signal does not hold up a stop beyond its deadline', async (s) => {
      const { pool, gate } = await busyPool(s, { concurrency: 1, prefetch: 0 })
      const began = performance.now()
      assert.deepEqual(await pool.stop({ within: 80 }), { finished: 0, released: 0, aborted: 1 })
      s.inTime(began, 80, 'the stop')
      gate.open()
    }),

    scenario(
      'an aborted message is handled elsewhere as the next attempt, and its old handler is not heard any more',
      async (s) => {
        const { pool, gate } = await busyPool(
          s,
          { concurrency: 1, prefetch: 0, retry: { attempts: 5, backoff: [20], jitter: 0 } },
          1,
        )
        await pool.stop({ within: 0 })
        const other = await s.bus()
        const second = s.gate()
        const got = s.collector()
        await other.consume(
          s.consumer(),
          async (message, context) => {
            got.collect(message, context)
            await second.enter()
          },
          s.pool(),
        )
        await second.reached(1)
        gate.open()
        await pass(20)
        assert.deepEqual([got.data, got.attempts, pool.stats().handled], [[1], [2], 0])
        assert.equal((await s.consumerReport(other)).inFlight, 1)
        second.open()
        await s.idle(other)
      },
    ),

    scenario('stopping twice gives the same report', async (s) => {
      const { pool, gate } = await busyPool(s, { concurrency: 1, prefetch: 1 })
      const [first, second] = [pool.stop(), pool.stop({ within: 0 })]
      gate.open()
      assert.deepEqual(
        [await first, await second, await pool.stop()],
        Array(3).fill({ finished: 1, released: 1, aborted: 0 }),
      )
    }),

    scenario('stopping a pool that holds nothing reports nothing', async (s) => {
      const bus = await s.bus()
      const pool = await bus.consume(s.consumer(), () => {}, s.pool())
      await s.publish(bus, 'a', [1, 2])
      await s.idle(bus)
      assert.deepEqual(await pool.stop(), { finished: 0, released: 0, aborted: 0 })
    }),

    scenario('a paused pool hands back what it holds when it is stopped', async (s) => {
      const { pool, gate } = await busyPool(s, { concurrency: 1, prefetch: 2 })
      pool.pause()
      const stopping = pool.stop()
      gate.open()
      assert.deepEqual(await stopping, { finished: 1, released: 2, aborted: 0 })
    }),

    scenario('messages behind their key are handed back too, and keep their order elsewhere', async (s) => {
      const bus = await s.bus()
      const gate = s.gate()
      const pool = await bus.consume(s.consumer({ order: 'key' }), gate.enter, s.pool({ concurrency: 4 }))
      await s.publishKeyed(bus, 'red', range(1, 6))
      await gate.reached(1)
      await until(() => pool.stats().waiting === 5, 'five to wait behind the first')
      const stopping = pool.stop()
      gate.open()
      assert.deepEqual(await stopping, { finished: 1, released: 5, aborted: 0 })
      const got = s.collector()
      const other = await s.bus()
      await other.consume(s.consumer({ order: 'key' }), got.collect, s.pool({ concurrency: 4 }))
      await s.idle(other)
      assert.deepEqual([got.data, new Set(got.attempts)], [range(2, 6), new Set([1])])
    }),

    scenario('a malformed deadline is refused, and the pool runs on', async (s) => {
      const bus = await s.bus()
      const pool = await bus.consume(s.consumer(), () => {}, s.pool())
      await refuses('BUS_INVALID_OPTION', () => pool.stop({ within: -1 }))
      await refuses('BUS_INVALID_OPTION', () => bus.close({ within: 'soon' as never }))
      await s.publish(bus, 'a', [1])
      await until(() => pool.stats().handled === 1, 'the message')
    }),
  ],
}
