/**
 * Group `batch`: handlers that take several messages at a time, and what becomes of each message of a batch.
 */
import assert from 'node:assert/strict'
import type { Message } from '../../src/message.js'
import { notBefore, range, until } from './expect.js'
import { type GroupDefinition, scenario } from './harness.js'

export const batch: GroupDefinition = {
  name: 'batch',
  scenarios: [
    scenario('a batch handler gets up to the size it asked for, and every message once', async (s) => {
      const bus = await s.bus()
      await s.publish(bus, 'a', range(1, 10))
      const batches: unknown[][] = []
      await bus.consume(s.consumer(), (messages) => batches.push(messages.map((message) => message.data)), {
        ...s.pool({ concurrency: 1 }),
        batch: { size: 4, within: 30 },
      })
      await s.idle(bus)
      assert.ok(batches.every((each) => each.length >= 1 && each.length <= 4))
      assert.ok(
        batches.some((each) => each.length === 4),
        'no batch was full',
      )
      assert.deepEqual(batches.flat(), range(1, 10))
    }),

    scenario('a batch that does not fill up starts after its first message has waited long enough', async (s) => {
      const bus = await s.bus()
      const sizes: number[] = []
      await bus.consume(s.consumer(), (messages) => sizes.push(messages.length), {
        ...s.pool(),
        batch: { size: 100, within: 80 },
      })
      const began = performance.now()
      await s.publish(bus, 'a', [1, 2])
      await until(() => sizes.length > 0, 'the batch')
      notBefore(began, 80, 'a partial batch')
      s.inTime(began, 80, 'a partial batch')
      assert.deepEqual(sizes, [2])
    }),

    scenario('context.fail repeats that message only', async (s) => {
      const bus = await s.bus()
      await s.publish(bus, 'a', [1, 2, 3])
      const seen: string[] = []
      await bus.consume(
        s.consumer(),
        (messages, context) => {
          for (const message of messages) {
            seen.push(`${message.data}/${context.attemptOf(message)}`)
            if (message.data === 2 && context.attemptOf(message) === 1) context.fail(message, new Error('not yet'))
          }
        },
        { ...s.pool({ concurrency: 1 }), batch: { size: 3, within: 20 } },
      )
      await s.idle(bus)
      assert.deepEqual(seen, ['1/1', '2/1', '3/1', '2/2'])
    }),

    scenario('a batch handler that throws has all of its messages repeated', async (s) => {
      const bus = await s.bus()
      await s.publish(bus, 'a', [1, 2, 3])
      const seen: string[] = []
      await bus.consume(
        s.consumer(),
        (messages, context) => {
          for (const message of messages) seen.push(`${message.data}/${context.attemptOf(message)}`)
          if (messages.some((message) => context.attemptOf(message) === 1)) throw new Error('whole batch')
        },
        { ...s.pool({ concurrency: 1 }), batch: { size: 3, within: 20 } },
      )
      await s.idle(bus)
      assert.deepEqual(seen.toSorted(), ['1/1', '1/2', '2/1', '2/2', '3/1', '3/2'])
    }),

    scenario('a message that fails in every batch becomes a dead letter; its neighbours do not', async (s) => {
      const bus = await s.bus()
      await s.publish(bus, 'a', ['good', 'bad'])
      const pool = await bus.consume(
        s.consumer(),
        (messages, context) => {
          for (const message of messages) if (message.data === 'bad') context.fail(message, new Error('always'))
        },
        { ...s.pool(), batch: { size: 2, within: 20 } },
      )
      await s.idle(bus)
      assert.deepEqual([pool.stats().handled, pool.stats().dead], [1, 1])
      assert.deepEqual(
        (await s.letters(bus)).map((letter) => [letter.data, letter.attempts]),
        [['bad', 3]],
      )
    }),

    scenario(
      'a message that does not fit its topic stays out of the batch and becomes a dead letter at once',
      async (s) => {
        const bus = await s.bus()
        const orders = s.numbers('orders.{orderId}')
        await bus.publish(s.to('orders.1'), { n: 1 })
        await bus.publish(s.to('orders.2'), { n: 'two' })
        const batches: number[][] = []
        await bus.consume(
          s.consumer({ filter: orders }),
          (messages) => batches.push(messages.map((message) => message.data.n)),
          { ...s.pool(), batch: { size: 2, within: 20 } },
        )
        await s.idle(bus)
        assert.deepEqual(batches, [[1]])
        assert.deepEqual(
          (await s.letters(bus)).map((letter) => [letter.reason, letter.attempts]),
          [['invalid', 1]],
        )
      },
    ),

    scenario('a message that does not fit its topic is not repeated, even when the rest of its batch is', async (s) => {
      const bus = await s.bus()
      const orders = s.numbers('orders.{orderId}')
      await bus.publish(s.to('orders.1'), { n: 1 })
      await bus.publish(s.to('orders.2'), { n: 'two' })
      await bus.consume(
        s.consumer({ filter: orders }),
        (messages, context) => {
          const isFirst = (message: Message) => context.attemptOf(message as (typeof messages)[number]) === 1
          if (messages.some(isFirst)) throw new Error('the first attempt fails')
        },
        { ...s.pool(), batch: { size: 2, within: 20 } },
      )
      await s.idle(bus)
      assert.deepEqual(
        (await s.letters(bus)).map((letter) => [letter.reason, letter.attempts]),
        [['invalid', 1]],
      )
    }),

    scenario('a batch keeps the order of its keys: one message of a key at a time', async (s) => {
      const bus = await s.bus()
      for (const n of [1, 2, 3]) for (const key of ['red', 'blue']) await bus.publish(s.to(key), n, { key })
      const got = s.collector()
      let together = 0
      await bus.consume(
        s.consumer({ order: 'key' }),
        (messages) => {
          if (new Set(messages.map((message) => message.key)).size < messages.length) together++
          for (const message of messages) got.collect(message)
        },
        { ...s.pool(), batch: { size: 6, within: 20 } },
      )
      await s.idle(bus)
      assert.deepEqual([together, got.ofKey('red'), got.ofKey('blue')], [0, [1, 2, 3], [1, 2, 3]])
    }),
  ],
}
