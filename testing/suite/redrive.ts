/**
 * Group `redrive`: what a person does with dead letters: look, send again, throw away.
 */
import assert from 'node:assert/strict'
import { Reject } from '../../src/errors.js'
import type { MessageBus } from '../../src/message-bus.js'
import { nth, refuses, until } from './expect.js'
import { type GroupDefinition, scenario, when, without } from './harness.js'
import type { Scene } from './scene.js'

export const redrive: GroupDefinition = {
  name: 'redrive',
  scenarios: [
    scenario('dead letters are listed oldest first, of their consumer only', async (s) => {
      const { bus } = await withDeadLetters(s, ['one', 'two', 'three'])
      await bus.consume(
        s.consumer({ name: s.named('other') }),
        () => {
          throw new Reject('mine')
        },
        s.pool(),
      )
      await s.idle(bus, 'other')
      assert.deepEqual(
        (await s.letters(bus)).map((letter) => letter.data),
        ['one', 'two', 'three'],
      )
      assert.equal((await s.letters(bus, 'other')).length, 3)
    }),

    scenario('a listing keeps to its condition and its limit', async (s) => {
      const { bus } = await withDeadLetters(s, ['one', 'two', 'three'])
      const found: unknown[] = []
      const where = (letter: { readonly data: unknown }) => letter.data !== 'one'
      for await (const letter of s.deadLetters(bus).list({ where, limit: 1 })) found.push(letter.data)
      assert.deepEqual(found, ['two'])
    }),

    scenario('show() is the dead letter at a position, or nothing', async (s) => {
      const { bus } = await withDeadLetters(s, ['one', 'two'])
      const second = nth(await s.letters(bus), 1)
      assert.equal((await s.deadLetters(bus).show(second.sequence))?.data, 'two')
      assert.equal(await s.deadLetters(bus).show(second.sequence + 1), undefined)
    }),

    scenario('a consumer without dead letters has an empty list', async (s) => {
      const bus = await s.bus()
      assert.deepEqual(await s.letters(bus), [])
      await refuses('BUS_INVALID_OPTION', () => s.deadLetters(bus).show(0))
    }),

    when(
      'remove',
      'a redriven message is handled again from its first attempt, and its dead letter is gone',
      async (s) => {
        const { bus, mended, got } = await withDeadLetters(s, ['one', 'two'])
        mended.add('one').add('two')
        assert.deepEqual(await s.deadLetters(bus).redrive(), { matched: 2, redriven: 2 })
        await until(() => got.entries.length === 4, 'the redriven messages')
        await s.idle(bus)
        assert.deepEqual(got.data, ['one', 'two', 'one', 'two'])
        assert.deepEqual(got.attempts, [1, 1, 1, 1])
        assert.deepEqual(await s.letters(bus), [])
      },
    ),

    when('remove', 'a redriven message is the original: id, key, subject, headers and data', async (s) => {
      const { bus, mended, got } = await withDeadLetters(s, [])
      const options = { id: s.named('id'), key: 'k', headers: { tenant: 'vbz' } }
      await bus.publish(s.to('orders.7'), 'x', options)
      await until(async () => (await s.letters(bus)).length === 1, 'the dead letter')
      mended.add('x')
      await s.deadLetters(bus).redrive()
      await got.reached(2)
      const [before, after] = [nth(got.messages, 0), nth(got.messages, 1)]
      for (const field of ['id', 'key', 'subject', 'data'] as const) assert.deepEqual(after[field], before[field])
      assert.deepEqual({ ...after.headers }, options.headers)
    }),

    when('remove', 'a redrive reaches the consumer that gave up, and no other', async (s) => {
      const { bus, mended, got } = await withDeadLetters(s, ['one'])
      const other = s.collector()
      // Without a dedup window, which would hide a message that came a second time.
      await bus.consume(s.consumer({ name: s.named('other') }), other.collect, s.pool({ dedup: 0 }))
      await s.idle(bus, 'other')
      mended.add('one')
      await s.deadLetters(bus).redrive()
      await got.reached(2)
      await s.idle(bus, 'other')
      assert.deepEqual(other.data, ['one'])
    }),

    when('remove', 'a dry run only counts', async (s) => {
      const { bus, got } = await withDeadLetters(s, ['one', 'two'])
      assert.deepEqual(await s.deadLetters(bus).redrive({ dryRun: true }), { matched: 2, redriven: 0 })
      assert.deepEqual(await s.deadLetters(bus).discard({ dryRun: true }), { matched: 2, discarded: 0 })
      assert.deepEqual([(await s.letters(bus)).length, got.entries.length], [2, 2])
    }),

    when('remove', 'a redrive keeps to its condition and its limit', async (s) => {
      const { bus, mended, got } = await withDeadLetters(s, ['one', 'two', 'three'])
      for (const datum of ['one', 'two', 'three']) mended.add(datum)
      const where = (letter: { readonly data: unknown }) => letter.data !== 'one'
      assert.deepEqual(await s.deadLetters(bus).redrive({ where, limit: 1 }), { matched: 1, redriven: 1 })
      await got.reached(4)
      await s.idle(bus)
      assert.deepEqual(got.data.slice(3), ['two'])
      assert.deepEqual(
        (await s.letters(bus)).map((letter) => letter.data),
        ['one', 'three'],
      )
    }),

    when('remove', 'a redriven message that fails again becomes one dead letter again', async (s) => {
      const { bus } = await withDeadLetters(s, ['one'])
      const first = nth(await s.letters(bus), 0)
      await s.deadLetters(bus).redrive()
      await until(
        async () => (await s.letters(bus)).some((letter) => letter.sequence !== first.sequence),
        'the second dead letter',
      )
      await s.idle(bus)
      const letters = await s.letters(bus)
      assert.deepEqual(
        letters.map((letter) => [letter.data, letter.id, letter.attempts]),
        [['one', first.id, 1]],
      )
    }),

    when('remove', 'a message can be redriven as often as it takes', async (s) => {
      const { bus, mended, got } = await withDeadLetters(s, ['one'])
      for (const _ of [1, 2]) {
        const [letter] = await s.letters(bus)
        await s.deadLetters(bus).redrive()
        await until(
          async () => (await s.letters(bus)).some((each) => each.sequence !== letter?.sequence),
          'the next dead letter',
        )
      }
      mended.add('one')
      await s.deadLetters(bus).redrive()
      await got.reached(4)
      await s.idle(bus)
      assert.deepEqual(await s.letters(bus), [])
    }),

    when('remove', 'discarding removes what was chosen, for good', async (s) => {
      const { bus, got } = await withDeadLetters(s, ['one', 'two'])
      const where = (letter: { readonly data: unknown }) => letter.data === 'one'
      assert.deepEqual(await s.deadLetters(bus).discard({ where }), { matched: 1, discarded: 1 })
      assert.deepEqual(
        (await s.letters(bus)).map((letter) => letter.data),
        ['two'],
      )
      assert.deepEqual(await s.deadLetters(bus).discard(), { matched: 1, discarded: 1 })
      assert.deepEqual([await s.letters(bus), got.entries.length], [[], 2])
    }),

    without('remove', 'redriving and discarding are refused, and the dead letters stay', async (s) => {
      const { bus } = await withDeadLetters(s, ['one'])
      await refuses('BUS_UNSUPPORTED', () => s.deadLetters(bus).redrive())
      await refuses('BUS_UNSUPPORTED', () => s.deadLetters(bus).discard())
      assert.equal((await s.letters(bus)).length, 1)
    }),
  ],
}

/** A consumer that rejects each datum until it is in `mended`, and what it has given up so far. */
async function withDeadLetters(s: Scene, data: readonly string[]) {
  const bus: MessageBus = await s.bus()
  const mended = new Set<unknown>()
  const got = s.collector()
  await s.publish(bus, 'a', data)
  await bus.consume(
    s.consumer(),
    (message, context) => {
      got.collect(message, context)
      if (!mended.has(message.data)) throw new Reject('not mended')
    },
    s.pool({ concurrency: 1 }),
  )
  await s.idle(bus)
  return { bus, mended, got }
}
