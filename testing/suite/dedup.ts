/**
 * Group `dedup`: the stream's window for repeated publishes, and the consumer's window for repeated deliveries.
 */
import assert from 'node:assert/strict'
import { NotAcceptedError } from '../../src/errors.js'
import { notBefore, nth, pass, range, refuses, until } from './expect.js'
import { type GroupDefinition, type ScenarioBody, type ScenarioDefinition, scenario, when, without } from './harness.js'

export const dedup: GroupDefinition = {
  name: 'dedup',
  scenarios: [
    when('publishDedup', 'repeating an id stores nothing new and names the position of the first', async (s) => {
      const bus = await s.bus()
      const first = await bus.publish(s.to('a'), 'once', { id: s.named('id') })
      const second = await bus.publish(s.to('a'), 'once', { id: s.named('id') })
      assert.deepEqual([second.duplicate, second.sequence, second.stream], [true, first.sequence, s.main])
      assert.deepEqual(await s.stored(bus), ['once'])
    }),

    when(
      'publishDedup',
      'an id that the bus made can be repeated, as after an unknown outcome, and is a duplicate',
      async (s) => {
        const bus = await s.bus()
        const { id, sequence } = await bus.publish(s.to('a'), 'once')
        const again = await bus.publish(s.to('a'), 'once', { id })
        assert.deepEqual([again.duplicate, again.sequence], [true, sequence])
        assert.deepEqual(await s.stored(bus), ['once'])
      },
    ),

    when('publishDedup', 'an id repeated by another client stores nothing new', async (s) => {
      const [one, two] = [await s.bus(), await s.bus()]
      await one.publish(s.to('a'), 'once', { id: s.named('id') })
      assert.equal((await two.publish(s.to('a'), 'once', { id: s.named('id') })).duplicate, true)
      assert.deepEqual(await s.stored(one), ['once'])
    }),

    when('publishDedup', 'of twenty publishes of one id at the same time, exactly one is stored', async (s) => {
      const [one, two] = [await s.bus(), await s.bus()]
      const receipts = await Promise.all(
        range(1, 20).map((n) => (n % 2 ? one : two).publish(s.to('a'), 'once', { id: s.named('id') })),
      )
      assert.equal(receipts.filter((receipt) => !receipt.duplicate).length, 1)
      assert.equal(new Set(receipts.map((receipt) => receipt.sequence)).size, 1)
      assert.deepEqual(await s.stored(one), ['once'])
    }),

    when('publishDedup', 'an id that occurs twice in a batch is stored once', async (s) => {
      const bus = await s.bus()
      const entry = { to: s.to('a'), data: 'once', options: { id: s.named('id') } }
      const receipts = await bus.publishBatch([entry, { to: s.to('b'), data: 'other' }, entry])
      assert.deepEqual(
        receipts.map((receipt) => receipt.duplicate),
        [false, false, true],
      )
      assert.equal(nth(receipts, 2).sequence, nth(receipts, 0).sequence)
      assert.deepEqual(await s.stored(bus), ['once', 'other'])
    }),

    when('publishDedup', 'headers and key do not make a repeated id another message', async (s) => {
      const bus = await s.bus()
      await bus.publish(s.to('a'), 'once', { id: s.named('id'), headers: { trace: '1' }, key: 'k' })
      const again = await bus.publish(s.to('a'), 'once', { id: s.named('id'), headers: { trace: '2' } })
      assert.equal(again.duplicate, true)
      assert.deepEqual({ ...nth(await s.history(bus), 0).headers }, { trace: '1' })
    }),

    when('publishDedup', 'ids that only look alike are different', async (s) => {
      const bus = await s.bus()
      const ids = ['a', 'A', 'a ', 'á', 'a\u0301', '%61']
      for (const id of ids) assert.equal((await bus.publish(s.to('a'), 1, { id })).duplicate, false)
      assert.equal((await s.stored(bus)).length, ids.length)
    }),

    when('publishDedup', 'the same id in two streams is two messages', async (s) => {
      const bus = await s.bus({ streams: [s.mainStream(), s.otherStream('side'), s.deadStream] })
      const one = await bus.publish(s.to('a'), 1, { id: s.named('id') })
      const two = await bus.publish(s.to('a', 'side'), 1, { id: s.named('id') })
      assert.deepEqual([one.duplicate, two.duplicate], [false, false])
    }),

    windowed('an id is free again when the window has passed since its first publish, repeats or not', async (s) => {
      const bus = await s.bus({ stream: { dedupWindow: 250 } })
      const began = performance.now()
      await bus.publish(s.to('a'), 1, { id: s.named('id') })
      const stored = performance.now()
      await until(async () => !(await bus.publish(s.to('a'), 1, { id: s.named('id') })).duplicate, 'the id to be free')
      notBefore(began, 250, 'the second storing')
      s.inTime(stored, 250, 'the window')
      assert.deepEqual(await s.stored(bus), [1, 1])
    }),

    when('keepsIds', 'an id stays taken when the window has passed, as long as its message is kept', async (s) => {
      const bus = await s.bus({ stream: { dedupWindow: 100 } })
      const { sequence } = await bus.publish(s.to('a'), 1, { id: s.named('id') })
      await pass(250)
      const again = await bus.publish(s.to('a'), 1, { id: s.named('id') })
      assert.deepEqual([again.duplicate, again.sequence], [true, sequence])
      await refuses('BUS_ID_CONFLICT', () => bus.publish(s.to('a'), 2, { id: s.named('id') }))
      assert.deepEqual(await s.stored(bus), [1])
    }),

    when('publishDedup', 'a window of 0 turns deduplication off', async (s) => {
      const bus = await s.bus({ stream: { dedupWindow: 0 } })
      for (const n of [1, 1, 2]) assert.equal((await bus.publish(s.to('a'), n, { id: s.named('id') })).duplicate, false)
      assert.deepEqual(await s.stored(bus), [1, 1, 2])
    }),

    when('publishDedup', 'a message that was refused does not take its id', async (s) => {
      const bus = await s.bus({ stream: { maxMessageBytes: 100 } })
      await refuses('BUS_TOO_LARGE', () => bus.publish(s.to('a'), 'x'.repeat(200), { id: s.named('id') }))
      assert.equal((await bus.publish(s.to('a'), 'small', { id: s.named('id') })).duplicate, false)
    }),

    when('publishDedup', 'an id stays taken after its message was handled', async (s) => {
      const bus = await s.bus()
      await bus.consume(s.consumer(), () => {}, s.pool())
      await bus.publish(s.to('a'), 'once', { id: s.named('id') })
      await s.idle(bus)
      assert.equal((await bus.publish(s.to('a'), 'once', { id: s.named('id') })).duplicate, true)
    }),

    without('publishDedup', 'repeating an id stores the message again', async (s) => {
      const bus = await s.bus()
      for (const _ of [1, 2]) assert.equal((await bus.publish(s.to('a'), 1, { id: s.named('id') })).duplicate, false)
      assert.deepEqual(await s.stored(bus), [1, 1])
    }),

    when('idConflict', 'repeating an id with another payload is refused, and nothing is stored', async (s) => {
      const bus = await s.bus()
      await bus.publish(s.to('a'), 'first', { id: s.named('id') })
      const error = await refuses('BUS_ID_CONFLICT', () => bus.publish(s.to('a'), 'second', { id: s.named('id') }))
      assert.ok(error instanceof NotAcceptedError)
      assert.deepEqual(await s.stored(bus), ['first'])
    }),

    when('idConflict', 'repeating an id with another large payload of the same length is refused', async (s) => {
      const bus = await s.bus()
      await bus.publish(s.to('a'), `${'x'.repeat(5000)}1`, { id: s.named('id') })
      await refuses('BUS_ID_CONFLICT', () => bus.publish(s.to('a'), `${'x'.repeat(5000)}2`, { id: s.named('id') }))
      assert.equal((await s.stored(bus)).length, 1)
    }),

    when('idConflict', 'repeating an id on another subject is refused, and nothing is stored', async (s) => {
      const bus = await s.bus()
      await bus.publish(s.to('a'), 'same', { id: s.named('id') })
      await refuses('BUS_ID_CONFLICT', () => bus.publish(s.to('b'), 'same', { id: s.named('id') }))
      assert.deepEqual(
        (await s.history(bus)).map((message) => message.subject),
        [s.to('a')],
      )
    }),

    when('idConflict', 'after a conflict the first message can still be repeated', async (s) => {
      const bus = await s.bus()
      const first = await bus.publish(s.to('a'), 'first', { id: s.named('id') })
      await refuses('BUS_ID_CONFLICT', () => bus.publish(s.to('a'), 'second', { id: s.named('id') }))
      const again = await bus.publish(s.to('a'), 'first', { id: s.named('id') })
      assert.deepEqual([again.duplicate, again.sequence], [true, first.sequence])
    }),

    without(
      'idConflict',
      'repeating an id with another payload is reported as a duplicate and stores nothing',
      async (s) => {
        const bus = await s.bus()
        await bus.publish(s.to('a'), 'first', { id: s.named('id') })
        const again = await bus.publish(s.to('a'), 'second', { id: s.named('id') })
        assert.equal(again.duplicate, s.supports.publishDedup)
        assert.equal((await s.stored(bus)).length, s.supports.publishDedup ? 1 : 2)
      },
    ),

    scenario('an id that a pool has handled is acknowledged without running when it is delivered again', async (s) => {
      const bus = await s.bus({ stream: { dedupWindow: 0 } })
      const got = s.collector()
      const pool = await bus.consume(s.consumer(), got.collect, s.pool({ concurrency: 1 }))
      for (const n of [1, 2]) await bus.publish(s.to('a'), n, { id: s.named('id') })
      await bus.publish(s.to('a'), 3)
      await s.idle(bus)
      assert.deepEqual(got.data, [1, 3])
      assert.deepEqual([pool.stats().handled, pool.stats().duplicates], [2, 1])
    }),

    scenario('a pool remembers the ids that the bus made too', async (s) => {
      const bus = await s.bus({ stream: { dedupWindow: 0 } })
      const got = s.collector()
      const pool = await bus.consume(s.consumer(), got.collect, s.pool({ concurrency: 1 }))
      const { id } = await bus.publish(s.to('a'), 'once')
      await bus.publish(s.to('a'), 'once', { id })
      await s.idle(bus)
      assert.deepEqual([got.data, pool.stats().duplicates], [['once'], 1])
    }),

    scenario('a pool with its dedup window off runs every delivery', async (s) => {
      const bus = await s.bus({ stream: { dedupWindow: 0 } })
      const got = s.collector()
      const pool = await bus.consume(s.consumer(), got.collect, s.pool({ concurrency: 1, dedup: 0 }))
      for (const n of [1, 2]) await bus.publish(s.to('a'), n, { id: s.named('id') })
      await s.idle(bus)
      assert.deepEqual([got.data, pool.stats().duplicates], [[1, 2], 0])
    }),

    scenario('a pool remembers an id for as long as its window says', async (s) => {
      const bus = await s.bus({ stream: { dedupWindow: 0 } })
      const got = s.collector()
      const pool = await bus.consume(s.consumer(), got.collect, s.pool({ concurrency: 1, dedup: 200 }))
      await bus.publish(s.to('a'), 'first', { id: s.named('id') })
      await got.reached(1)
      const handled = nth(got.entries, 0).at
      await until(async () => {
        await bus.publish(s.to('a'), 'again', { id: s.named('id') })
        await s.idle(bus)
        return got.entries.length > 1
      }, 'the id to be forgotten')
      notBefore(handled, 200, 'the second run')
      assert.ok(pool.stats().duplicates > 0)
    }),
  ],
}

/** Holds for adapters whose window is all that remembers an id. */
function windowed(title: string, body: ScenarioBody): ScenarioDefinition {
  const definition = when('publishDedup', title, body)
  return { ...definition, applies: (supports) => definition.applies(supports) && !supports.keepsIds }
}
