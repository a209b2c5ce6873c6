/**
 * Group `order`: messages of one key are handled one after the other, retries and change of process included; keys do not hold each
 * other up.
 */
import assert from 'node:assert/strict'
import { Reject } from '../../src/errors.js'
import { nth, range, until } from './expect.js'
import { type GroupDefinition, scenario, when } from './harness.js'

const slowRetry = { attempts: 5, backoff: [800], jitter: 0 }

export const order: GroupDefinition = {
  name: 'order',
  scenarios: [
    scenario('messages of one key are handled in the order of their publishes, one at a time', async (s) => {
      const bus = await s.bus()
      await s.publishKeyed(bus, 'red', range(1, 25))
      const got = s.collector()
      let [running, most] = [0, 0]
      await bus.consume(
        s.consumer({ order: 'key' }),
        async (message) => {
          most = Math.max(most, ++running)
          await new Promise(setImmediate)
          got.collect(message)
          running--
        },
        s.pool({ concurrency: 8 }),
      )
      await s.idle(bus)
      assert.deepEqual([got.data, most], [range(1, 25), 1])
    }),

    scenario('different keys are handled at the same time', async (s) => {
      const bus = await s.bus()
      for (const key of ['red', 'green', 'blue']) await s.publishKeyed(bus, key, [1, 2])
      const gate = s.gate()
      await bus.consume(s.consumer({ order: 'key' }), gate.enter, s.pool({ concurrency: 8 }))
      await gate.reached(3)
      assert.equal(gate.arrivals, 3)
      gate.open()
      await s.idle(bus)
      assert.equal(gate.arrivals, 6)
    }),

    scenario('many keys each keep their order while some of their messages fail', async (s) => {
      const bus = await s.bus()
      const keys = range(1, 8).map((n) => `key-${n}`)
      await bus.publishBatch(
        range(1, 12).flatMap((n) => keys.map((key) => ({ to: s.to(key), data: n, options: { key } }))),
      )
      const got = s.collector()
      await bus.consume(
        s.consumer({ order: 'key' }),
        (message, { attempt }) => {
          if (attempt === 1 && Number(message.data) % 5 === 0) throw new Error('every fifth fails once')
          got.collect(message)
        },
        s.pool({ concurrency: 4, retry: { attempts: 3, backoff: [15], jitter: 0 } }),
      )
      await s.idle(bus)
      for (const key of keys) assert.deepEqual(got.ofKey(key), range(1, 12), key)
    }),

    scenario('a message that fails holds back its key and no other', async (s) => {
      const bus = await s.bus()
      await s.publishKeyed(bus, 'red', [1, 2])
      await s.publishKeyed(bus, 'blue', [1, 2])
      const seen: string[] = []
      await bus.consume(
        s.consumer({ order: 'key' }),
        (message, { attempt }) => {
          seen.push(`${message.key} ${message.data}/${attempt}`)
          if (message.key === 'red' && message.data === 1 && attempt === 1) throw new Error('once')
        },
        s.pool({ retry: slowRetry }),
      )
      await s.idle(bus)
      assert.deepEqual(seen, ['red 1/1', 'blue 1/1', 'blue 2/1', 'red 1/2', 'red 2/1'])
    }),

    scenario('a failing key with a long backlog does not starve another, even with a single worker', async (s) => {
      const bus = await s.bus()
      await s.publishKeyed(bus, 'red', range(1, 40))
      await s.publishKeyed(bus, 'blue', [1])
      const seen: string[] = []
      await bus.consume(
        s.consumer({ order: 'key' }),
        (message, { attempt }) => {
          seen.push(`${message.key} ${message.data}`)
          if (message.data === 1 && message.key === 'red' && attempt === 1) throw new Error('once')
        },
        s.pool({ concurrency: 1, prefetch: 0, retry: { ...slowRetry, backoff: [2000] } }),
      )
      await s.idle(bus)
      assert.deepEqual(seen, ['red 1', 'blue 1', ...range(1, 40).map((n) => `red ${n}`)])
    }),

    scenario('messages without a key are held back by nothing', async (s) => {
      const bus = await s.bus()
      await s.publish(bus, 'a', ['fails once', 'next'])
      const got = s.collector()
      await bus.consume(
        s.consumer({ order: 'key' }),
        (message, context) => {
          got.collect(message, context)
          if (message.data === 'fails once' && context.attempt === 1) throw new Error('once')
        },
        s.pool({ retry: slowRetry }),
      )
      await s.idle(bus)
      assert.deepEqual(got.data, ['fails once', 'next', 'fails once'])
    }),

    scenario('a key goes on after its first message became a dead letter', async (s) => {
      const bus = await s.bus()
      await s.publishKeyed(bus, 'red', [1, 2, 3])
      const got = s.collector()
      await bus.consume(
        s.consumer({ order: 'key' }),
        (message, context) => {
          got.collect(message, context)
          if (message.data === 1) throw new Error('always')
          if (message.data === 2) throw new Reject('never')
        },
        s.pool({ retry: { attempts: 2, backoff: [10], jitter: 0 } }),
      )
      await s.idle(bus)
      assert.deepEqual(got.data, [1, 1, 2, 3])
      assert.deepEqual(
        (await s.letters(bus)).map((letter) => letter.data),
        [1, 2],
      )
    }),

    scenario('a handler that takes too long holds back its key until it was handled again', async (s) => {
      const bus = await s.bus()
      await s.publishKeyed(bus, 'red', [1, 2])
      const got = s.collector()
      const stuck = s.gate()
      await bus.consume(
        s.consumer({ order: 'key' }),
        (message, context) => {
          got.collect(message, context)
          return message.data === 1 && context.attempt === 1 ? stuck.enter() : undefined
        },
        s.pool({ timeout: 60 }),
      )
      await s.idle(bus)
      assert.deepEqual(got.data, [1, 1, 2])
    }),

    scenario('two clients of one ordered consumer keep the order of every key', async (s) => {
      const [one, two] = [await s.bus(), await s.bus()]
      const got = s.collector()
      const handler = async (message: Parameters<typeof got.collect>[0]) => {
        await new Promise(setImmediate)
        got.collect(message)
      }
      for (const bus of [one, two]) await bus.consume(s.consumer({ order: 'key' }), handler, s.pool({ concurrency: 4 }))
      for (const n of range(1, 15))
        for (const key of ['red', 'blue']) await (n % 2 ? one : two).publish(s.to(key), n, { key })
      await s.idle(one)
      assert.deepEqual([got.ofKey('red'), got.ofKey('blue')], [range(1, 15), range(1, 15)])
    }),

    scenario('when the serving client stops, the standby takes over and every key keeps its order', async (s) => {
      const [one, two] = [await s.bus(), await s.bus()]
      const got = s.collector()
      const gate = s.gate()
      const serving = await one.consume(
        s.consumer({ order: 'key' }),
        async (message, context) => {
          await gate.enter()
          got.collect(message, context)
        },
        s.pool({ concurrency: 2 }),
      )
      await two.consume(s.consumer({ order: 'key' }), got.collect, s.pool({ concurrency: 2 }))
      for (const n of range(1, 10)) for (const key of ['red', 'blue']) await one.publish(s.to(key), n, { key })
      await gate.reached(2)
      const stopping = serving.stop()
      gate.open()
      await stopping
      await s.idle(two)
      assert.deepEqual([got.ofKey('red'), got.ofKey('blue')], [range(1, 10), range(1, 10)])
      assert.deepEqual(new Set(got.attempts), new Set([1]))
    }),

    scenario(
      'a key whose first message waits for its next attempt keeps waiting when another client takes over',
      async (s) => {
        const [one, two] = [await s.bus(), await s.bus()]
        const got = s.collector()
        const options = s.pool({ retry: { attempts: 3, backoff: [200], jitter: 0 } })
        const serving = await one.consume(
          s.consumer({ order: 'key' }),
          (message, context) => {
            got.collect(message, context)
            throw new Error('here')
          },
          options,
        )
        await s.publishKeyed(one, 'red', [1, 2, 3])
        await until(() => serving.stats().retried === 1, 'the first attempt to fail')
        await serving.stop()
        await two.consume(s.consumer({ order: 'key' }), got.collect, options)
        await s.idle(two)
        assert.deepEqual(
          [got.data, got.attempts],
          [
            [1, 1, 2, 3],
            [1, 2, 1, 1],
          ],
        )
        assert.ok(nth(got.entries, 1).at - nth(got.entries, 0).at >= 198, 'its delay was not kept')
      },
    ),

    scenario('when the serving client crashes, the standby takes over and every key keeps its order', async (s) => {
      const [one, two] = [await s.bus(), await s.bus()]
      const got = s.collector()
      const gate = s.gate()
      const consumer = s.consumer({ order: 'key', ackWait: '1s' })
      await one.consume(consumer, gate.enter, s.pool({ concurrency: 1, prefetch: 0 }))
      await two.consume(consumer, got.collect, s.pool())
      await s.publishKeyed(two, 'red', [1, 2, 3])
      await gate.reached(1)
      await s.crash(one)
      await s.idle(two)
      assert.deepEqual(got.data, [1, 2, 3])
      assert.equal(nth(got.entries, 0).attempt, 2)
    }),

    when('remove', 'a key goes on when the message it waits for was removed', async (s) => {
      const bus = await s.bus()
      await s.publishKeyed(bus, 'red', [1, 2])
      const got = s.collector()
      const pool = await bus.consume(
        s.consumer({ order: 'key' }),
        (message, context) => {
          got.collect(message, context)
          if (message.data === 1) throw new Error('always')
        },
        s.pool({ retry: { attempts: 9, backoff: ['1m'], jitter: 0 } }),
      )
      await until(() => pool.stats().retried === 1, 'the first attempt to fail')
      const { adapter } = await s.port()
      await adapter.remove(s.main, [nth(got.messages, 0).sequence])
      await got.reached(2)
      assert.deepEqual(got.data, [1, 2])
      await s.idle(bus)
    }),
  ],
}
