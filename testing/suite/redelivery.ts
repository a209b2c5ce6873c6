/**
 * Group `redelivery`: what follows a failed attempt, whatever way it failed.
 */
import assert from 'node:assert/strict'
import { RetryLater } from '../../src/errors.js'
import type { Message } from '../../src/message.js'
import type { HandlerContext } from '../../src/worker-pool-options.js'
import { notBefore, nth, pass, range, until } from './expect.js'
import { type GroupDefinition, scenario } from './harness.js'

const never = () => new Promise<never>(() => {})

export const redelivery: GroupDefinition = {
  name: 'redelivery',
  scenarios: [
    scenario('a message whose handler throws is handled again, with the next attempt each time', async (s) => {
      const bus = await s.bus()
      await s.publish(bus, 'a', ['a'])
      const got = s.collector()
      const pool = await bus.consume(
        s.consumer(),
        (message, context) => {
          got.collect(message, context)
          if (context.attempt < 4) throw new Error('not yet')
        },
        s.pool({ retry: { attempts: 5, backoff: [10], jitter: 0 } }),
      )
      await s.idle(bus)
      assert.deepEqual(got.attempts, [1, 2, 3, 4])
      const { handled, failed, retried, dead } = pool.stats()
      assert.deepEqual({ handled, failed, retried, dead }, { handled: 1, failed: 3, retried: 3, dead: 0 })
    }),

    scenario('a handler whose promise rejects is treated as one that throws', async (s) => {
      const bus = await s.bus()
      await s.publish(bus, 'a', ['a'])
      const got = s.collector()
      await bus.consume(
        s.consumer(),
        async (message, context) => {
          got.collect(message, context)
          await Promise.resolve()
          if (context.attempt === 1) throw new Error('later')
        },
        s.pool(),
      )
      await s.idle(bus)
      assert.deepEqual(got.attempts, [1, 2])
    }),

    scenario('retries wait as the backoff list says, and its last wait repeats', async (s) => {
      const bus = await s.bus()
      await s.publish(bus, 'a', ['a'])
      const got = s.collector()
      await bus.consume(
        s.consumer(),
        (message, context) => {
          got.collect(message, context)
          if (context.attempt < 4) throw new Error('not yet')
        },
        s.pool({ retry: { attempts: 5, backoff: [30, 90], jitter: 0 } }),
      )
      await got.reached(4)
      for (const [retry, waitMs] of [30, 90, 90].entries()) {
        const since = nth(got.entries, retry).at
        const waited = nth(got.entries, retry + 1).at - since
        assert.ok(waited >= waitMs - 2, `retry ${retry + 1} came after ${waited.toFixed(1)} ms, before ${waitMs} ms`)
        assert.ok(waited <= waitMs + s.toleranceMs, `retry ${retry + 1} came only after ${waited.toFixed(0)} ms`)
      }
    }),

    scenario('exponential retries wait twice as long each time', async (s) => {
      const bus = await s.bus()
      await s.publish(bus, 'a', ['a'])
      const got = s.collector()
      await bus.consume(
        s.consumer(),
        (message, context) => {
          got.collect(message, context)
          if (context.attempt < 3) throw new Error('not yet')
        },
        s.pool({ retry: { attempts: 5, base: 40, jitter: 0 } }),
      )
      await got.reached(3)
      notBefore(nth(got.entries, 0).at, 120, 'the third attempt')
      assert.ok(nth(got.entries, 2).at - nth(got.entries, 1).at >= 78, 'the second wait is not 80 ms')
    }),

    scenario(
      'RetryLater brings a message back after its own delay, not before, and counts as an attempt',
      async (s) => {
        const bus = await s.bus()
        await s.publish(bus, 'a', ['a'])
        const got = s.collector()
        await bus.consume(
          s.consumer(),
          (message, context) => {
            got.collect(message, context)
            if (context.attempt === 1) throw new RetryLater(110)
          },
          s.pool({ retry: { attempts: 5, backoff: [1], jitter: 0 } }),
        )
        await got.reached(2)
        const waited = nth(got.entries, 1).at - nth(got.entries, 0).at
        assert.ok(waited >= 108, `it came after ${waited.toFixed(1)} ms`)
        assert.deepEqual(got.attempts, [1, 2])
      },
    ),

    scenario('a message that fails does not hold up the others', async (s) => {
      const bus = await s.bus()
      await s.publish(bus, 'a', ['bad', ...range(1, 5)])
      const got = s.collector()
      await bus.consume(
        s.consumer(),
        (message, context) => {
          got.collect(message, context)
          if (message.data === 'bad' && context.attempt === 1) throw new Error('first attempt')
        },
        s.pool({ concurrency: 1, retry: { attempts: 3, backoff: [1000], jitter: 0 } }),
      )
      await got.reached(7)
      assert.deepEqual(got.data, ['bad', 1, 2, 3, 4, 5, 'bad'])
    }),

    scenario(
      'a handler that takes longer than its timeout has its signal aborted and the message is handled again',
      async (s) => {
        const bus = await s.bus()
        await s.publish(bus, 'a', ['a'])
        const aborted: number[] = []
        const pool = await bus.consume(
          s.consumer(),
          (_, { attempt, signal }) => {
            if (attempt > 1) return
            signal.addEventListener('abort', () => aborted.push(attempt))
            return never()
          },
          s.pool({ timeout: 60 }),
        )
        await s.idle(bus)
        assert.deepEqual(aborted, [1])
        assert.deepEqual([pool.stats().handled, pool.stats().failed], [1, 1])
      },
    ),

    scenario('a handler that resolves after its timeout is not heard any more', async (s) => {
      const bus = await s.bus()
      await s.publish(bus, 'a', ['a'])
      const late = s.gate()
      const second = s.gate()
      const pool = await bus.consume(
        s.consumer(),
        (_, { attempt }) => (attempt === 1 ? late : second).enter(),
        s.pool({ timeout: 80 }),
      )
      await second.reached(1)
      late.open()
      await pass(10)
      assert.equal(pool.stats().handled, 0)
      second.open()
      await s.idle(bus)
      assert.equal(pool.stats().handled, 1)
    }),

    scenario('a handler that never returns uses up its attempts and its message becomes a dead letter', async (s) => {
      const bus = await s.bus()
      await s.publish(bus, 'a', ['a'])
      const pool = await bus.consume(
        s.consumer(),
        never,
        s.pool({ timeout: 40, retry: { attempts: 2, backoff: [10], jitter: 0 } }),
      )
      await s.idle(bus)
      assert.deepEqual(
        (await s.letters(bus)).map((letter) => [letter.reason, letter.attempts]),
        [['exhausted', 2]],
      )
      assert.equal(pool.stats().inFlight, 0)
    }),

    scenario('a handler that works longer than the ack wait keeps its message', async (s) => {
      const bus = await s.bus()
      await s.publish(bus, 'a', ['a'])
      const gate = s.gate()
      await bus.consume(s.consumer({ ackWait: 300 }), gate.enter, s.pool())
      await gate.reached(1)
      await pass(750)
      gate.open()
      await s.idle(bus)
      assert.equal(gate.arrivals, 1)
    }),

    scenario('a message that waits in a pool longer than the ack wait is not handed to another', async (s) => {
      const [one, two] = [await s.bus(), await s.bus()]
      const gate = s.gate()
      await one.consume(s.consumer({ ackWait: 300 }), gate.enter, s.pool({ concurrency: 1, prefetch: 3 }))
      await s.publish(one, 'a', range(1, 4))
      await until(async () => (await s.consumerReport(one)).pending === 0, 'the pool to hold all four')
      const other = s.collector()
      await two.consume(s.consumer({ ackWait: 300 }), other.collect, s.pool())
      await pass(750)
      gate.open()
      await s.idle(one)
      assert.deepEqual([gate.arrivals, other.entries.length], [4, 0])
    }),

    scenario('a handler may throw anything', async (s) => {
      const bus = await s.bus()
      const hostile = Object.defineProperty({}, 'message', { get: () => assert.fail('read') })
      const cycle: { self?: unknown } = {}
      cycle.self = cycle
      const thrown = [undefined, null, 7, 'text', Symbol('s'), cycle, hostile, new Error('x'.repeat(100_000))]
      await s.publish(bus, 'a', range(0, thrown.length - 1))
      const attempts = new Map<unknown, number>()
      await bus.consume(
        s.consumer(),
        (message, { attempt }) => {
          attempts.set(message.data, attempt)
          if (attempt === 1) throw thrown[Number(message.data)]
        },
        s.pool(),
      )
      await s.idle(bus)
      assert.deepEqual(
        [...attempts.values()],
        thrown.map(() => 2),
      )
    }),

    scenario('a handler whose own publish is refused fails in the ordinary way', async (s) => {
      const bus = await s.bus()
      await s.publish(bus, 'a', ['a'])
      const got = s.collector()
      await bus.consume(
        s.consumer(),
        async (message, context) => {
          got.collect(message, context)
          if (context.attempt === 1) await bus.publish(s.to('b'), { n: Number.NaN })
        },
        s.pool(),
      )
      await s.idle(bus)
      assert.deepEqual(got.attempts, [1, 2])
    }),

    scenario('a handler is told which attempt is its last', async (s) => {
      const bus = await s.bus()
      await s.publish(bus, 'a', ['a'])
      const last: boolean[] = []
      await bus.consume(
        s.consumer(),
        (_, context) => {
          last.push(context.lastAttempt)
          throw new Error('always')
        },
        s.pool({ retry: { attempts: 3, backoff: [5], jitter: 0 } }),
      )
      await s.idle(bus)
      assert.deepEqual(last, [false, false, true])
    }),

    scenario('what a crashed client was working on is handled by another, as the next attempt', async (s) => {
      const [one, two] = [await s.bus(), await s.bus()]
      const gate = s.gate()
      await one.consume(s.consumer({ ackWait: '1s' }), gate.enter, s.pool())
      await s.publish(one, 'a', ['a'])
      await gate.reached(1)
      await s.crash(one)
      const got = s.collector()
      await two.consume(s.consumer({ ackWait: '1s' }), got.collect, s.pool())
      await s.idle(two)
      assert.deepEqual([got.data, got.attempts], [['a'], [2]])
    }),

    scenario(
      'a message that waits for its next attempt when its pool stops is handled by another, as that attempt',
      async (s) => {
        const [one, two] = [await s.bus(), await s.bus()]
        const [first, second] = [s.collector(), s.collector()]
        const fail = (message: Message, context: HandlerContext) => {
          first.collect(message, context)
          throw new Error('here')
        }
        const pool = await one.consume(
          s.consumer(),
          fail,
          s.pool({ retry: { attempts: 3, backoff: [150], jitter: 0 } }),
        )
        await s.publish(one, 'a', ['a'])
        await until(() => pool.stats().retried === 1, 'the first attempt to fail')
        await pool.stop()
        await two.consume(s.consumer(), second.collect, s.pool())
        await s.idle(two)
        assert.deepEqual([first.attempts, second.attempts], [[1], [2]])
        assert.ok(nth(second.entries, 0).at - nth(first.entries, 0).at >= 148, 'its delay was not kept')
      },
    ),
  ],
}
