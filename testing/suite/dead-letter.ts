/**
 * Group `dead letter`: when a message is given up, and what its dead letter tells. What a person does with it is `redrive.ts`.
 */
import assert from 'node:assert/strict'
import { Reject } from '../../src/errors.js'
import type { MessageBus } from '../../src/message-bus.js'
import { nth, range, refuses, until } from './expect.js'
import { type GroupDefinition, scenario } from './harness.js'
import type { Scene } from './scene.js'

export const deadLetter: GroupDefinition = {
  name: 'dead letter',
  scenarios: [
    scenario('a message whose last attempt failed becomes a dead letter, and is not handled again', async (s) => {
      const bus = await s.bus()
      await s.publish(bus, 'a', ['bad'])
      const got = s.collector()
      const pool = await bus.consume(
        s.consumer(),
        (message, context) => {
          got.collect(message, context)
          throw new Error('always')
        },
        s.pool({ retry: { attempts: 3, backoff: [10], jitter: 0 } }),
      )
      await s.idle(bus)
      assert.deepEqual(got.attempts, [1, 2, 3])
      const letter = nth(await s.letters(bus), 0)
      assert.deepEqual([letter.reason, letter.attempts, pool.stats().dead], ['exhausted', 3, 1])
    }),

    scenario('a rejected message becomes a dead letter after its first attempt', async (s) => {
      const bus = await s.bus()
      await s.publish(bus, 'a', ['bad'])
      const got = s.collector()
      await bus.consume(
        s.consumer(),
        (message, context) => {
          got.collect(message, context)
          throw new Reject('impossible figures')
        },
        s.pool(),
      )
      await s.idle(bus)
      const letter = nth(await s.letters(bus), 0)
      assert.deepEqual([got.attempts, letter.reason, letter.attempts], [[1], 'rejected', 1])
      assert.match(letter.lastError, /impossible figures/)
    }),

    scenario('a dead letter carries the original bytes, subject, headers, id and key', async (s) => {
      const bus = await s.bus()
      const bytes = Uint8Array.from(range(0, 255))
      const headers = { tenant: 'vbz', note: ' ü 漢 %' }
      const receipt = await bus.publish(s.to('orders.42'), bytes, {
        id: s.named('the id'),
        key: 'Zürich 漢字',
        headers,
      })
      await reject(s, bus)
      const letter = nth(await s.letters(bus), 0)
      assert.deepEqual([letter.id, letter.subject, letter.key], [s.named('the id'), s.to('orders.42'), 'Zürich 漢字'])
      assert.deepEqual({ ...letter.headers }, headers)
      assert.deepEqual([...letter.payload], [...bytes])
      assert.deepEqual(letter.data, bytes)
      assert.deepEqual([letter.stream, letter.originalSequence], [s.main, receipt.sequence])
    }),

    scenario('a dead letter carries JSON data decoded too', async (s) => {
      const bus = await s.bus()
      await s.publish(bus, 'a', [{ total: 9, tags: ['ü'] }])
      await reject(s, bus)
      const letter = nth(await s.letters(bus), 0)
      assert.deepEqual(letter.data, { total: 9, tags: ['ü'] })
      assert.equal(Buffer.from(letter.payload).toString(), '{"total":9,"tags":["ü"]}')
    }),

    scenario('a dead letter names its consumer, and its times in order', async (s) => {
      const bus = await s.bus()
      await s.publish(bus, 'a', ['bad'])
      const published = nth(await s.history(bus), 0).time
      await bus.consume(
        s.consumer(),
        () => {
          throw new Error('always')
        },
        s.pool({ retry: { attempts: 2, backoff: [60], jitter: 0 } }),
      )
      await s.idle(bus)
      const letter = nth(await s.letters(bus), 0)
      assert.deepEqual([letter.consumer, letter.publishedAt], [s.named('worker'), published])
      assert.ok(letter.deadAt - letter.firstFailedAt >= 58, 'the wait between the attempts is missing from the times')
      assert.ok(Math.abs(letter.deadAt - Date.now()) <= 60 + s.toleranceMs)
    }),

    scenario('a dead letter tells the first error and the last', async (s) => {
      const bus = await s.bus()
      await s.publish(bus, 'a', ['bad'])
      await bus.consume(
        s.consumer(),
        (_, { attempt }) => {
          throw new TypeError(`failure ${attempt}`)
        },
        s.pool({ retry: { attempts: 3, backoff: [5], jitter: 0 } }),
      )
      await s.idle(bus)
      const letter = nth(await s.letters(bus), 0)
      assert.match(letter.firstError, /failure 1$/)
      assert.match(letter.lastError, /failure 3$/)
    }),

    scenario('the errors of a dead letter keep no secret', async (s) => {
      const bus = await s.bus()
      await s.publish(bus, 'a', ['bad'])
      await reject(s, bus, 'cannot reach postgres://u:secret@h/db, token=t0psecret')
      const { firstError, lastError } = nth(await s.letters(bus), 0)
      for (const text of [firstError, lastError]) {
        assert.match(text, /postgres:\/\/u:\[redacted\]@h\/db/)
        assert.doesNotMatch(text, /secret@|t0psecret/)
      }
    }),

    scenario('the errors of a dead letter are cut at 4 KB', async (s) => {
      const bus = await s.bus()
      await s.publish(bus, 'a', ['bad'])
      await reject(s, bus, `début ${'é'.repeat(50_000)}`)
      const { firstError, lastError } = nth(await s.letters(bus), 0)
      for (const text of [firstError, lastError]) {
        assert.match(text, /début/)
        assert.ok(Buffer.byteLength(text) <= 4096 && text.length > 1000, `${Buffer.byteLength(text)} bytes`)
      }
    }),

    scenario('a handler that throws undefined still leaves a dead letter that says so', async (s) => {
      const bus = await s.bus()
      await s.publish(bus, 'a', ['bad'])
      await bus.consume(
        s.consumer(),
        () => {
          throw undefined
        },
        s.pool({ retry: { attempts: 1 } }),
      )
      await s.idle(bus)
      assert.match(nth(await s.letters(bus), 0).lastError, /undefined/)
    }),

    scenario('the dead letter is there before the original is settled', async (s) => {
      const bus = await s.bus()
      await s.publish(bus, 'a', ['bad'])
      let lettersWhenSettled = -1
      await bus.consume(
        s.consumer(),
        () => {
          throw new Reject('bad')
        },
        s.pool(),
      )
      await until(async () => {
        const { inFlight, pending } = await s.consumerReport(bus)
        if (inFlight + pending === 0) lettersWhenSettled = (await s.letters(bus)).length
        return lettersWhenSettled >= 0
      }, 'the original to be settled')
      assert.equal(lettersWhenSettled, 1)
    }),

    scenario('a message stays when its dead letter cannot be stored', async (s) => {
      const full = { ...s.deadStream, maxMessages: 1 }
      const bus = await s.bus({ streams: [s.mainStream(), full] })
      await s.publish(bus, 'a', ['first', 'second'])
      const got = s.collector()
      await bus.consume(
        s.consumer(),
        (message) => {
          got.collect(message)
          throw new Reject('bad')
        },
        s.pool({ concurrency: 1 }),
      )
      await got.reached(2)
      await until(async () => (await s.letters(bus)).length === 1, 'the first dead letter')
      assert.deepEqual(
        (await s.letters(bus)).map((letter) => letter.data),
        ['first'],
      )
      assert.equal((await s.consumerReport(bus)).inFlight, 1)
    }),

    scenario('a payload that is not JSON becomes a dead letter with its bytes, without a retry', async (s) => {
      const bus = await s.bus()
      const port = await s.port()
      await port.publish('{ not json')
      await s.publish(bus, 'a', ['good'])
      const got = s.collector()
      await bus.consume(
        s.consumer(),
        (message, context) => {
          got.collect(message, context)
          return message.data
        },
        s.pool({ concurrency: 1 }),
      )
      await s.idle(bus)
      const letter = nth(await s.letters(bus), 0)
      assert.deepEqual([letter.reason, letter.attempts, letter.data], ['invalid', 1, undefined])
      assert.equal(Buffer.from(letter.payload).toString(), '{ not json')
      // Without a key nothing is promised about who comes first.
      assert.equal(got.messages.find(({ id }) => id !== letter.id)?.data, 'good')
    }),

    scenario('a payload that would reach prototypes becomes a dead letter', async (s) => {
      const bus = await s.bus()
      const port = await s.port()
      await port.publish('{"__proto__":{"polluted":true}}')
      await bus.consume(s.consumer(), (message) => message.data, s.pool())
      await s.idle(bus)
      assert.equal(nth(await s.letters(bus), 0).reason, 'invalid')
      assert.equal(Reflect.get({}, 'polluted'), undefined)
    }),

    scenario(
      'data that does not fit its topic becomes a dead letter with the path of the issue, and reaches no handler',
      async (s) => {
        const bus = await s.bus()
        const orders = s.numbers('orders.{orderId}')
        await bus.publish(s.to('orders.1'), { n: 'one' })
        await bus.publish(orders.at({ orderId: '2' }), { n: 2 })
        const seen: number[] = []
        await bus.consume(
          s.consumer({ filter: orders }),
          (message) => seen.push(message.data.n),
          s.pool({ concurrency: 1 }),
        )
        await s.idle(bus)
        const letter = nth(await s.letters(bus), 0)
        assert.deepEqual([seen, letter.reason, letter.attempts], [[2], 'invalid', 1])
        assert.match(letter.lastError, /\bn: expected a number/)
      },
    ),

    scenario('data of an older version of its topic is brought up to date', async (s) => {
      const bus = await s.bus()
      const now = s.numbers('orders.{orderId}', {
        version: 3,
        upcasts: {
          1: (v1: { amount: number }) => ({ total: v1.amount }),
          2: (v2: { total: number }) => ({ n: v2.total }),
        },
      })
      await bus.publish(s.to('orders.1'), { amount: 7 })
      await bus.publish(now.at({ orderId: '2' }), { n: 8 })
      const seen: number[] = []
      await bus.consume(s.consumer({ filter: now }), (message) => seen.push(message.data.n), s.pool({ concurrency: 1 }))
      await s.idle(bus)
      assert.deepEqual([seen, (await s.letters(bus)).length], [[7, 8], 0])
    }),

    scenario('data of a newer version than this process knows becomes a dead letter', async (s) => {
      const bus = await s.bus()
      await bus.publish(s.numbers('orders.{orderId}', { version: 2 }).at({ orderId: '1' }), { n: 1 })
      await bus.consume(
        s.consumer({ filter: s.numbers('orders.{orderId}') }),
        () => assert.fail('it was handled'),
        s.pool(),
      )
      await s.idle(bus)
      assert.equal(nth(await s.letters(bus), 0).reason, 'invalid')
    }),

    scenario('a consumer whose dead letters no stream takes is refused', async (s) => {
      const bus = await s.bus()
      const options = s.pool({ deadLetter: s.to('x', 'nowhere') })
      await refuses('BUS_NO_STREAM', () => bus.consume(s.consumer(), () => {}, options))
    }),
  ],
}

/** Consumes what is there and rejects all of it. */
async function reject(s: Scene, bus: MessageBus, reason = 'bad'): Promise<void> {
  await bus.consume(
    s.consumer(),
    () => {
      throw new Reject(reason)
    },
    s.pool(),
  )
  await s.idle(bus)
}
