/**
 * Group `publish`: what a receipt says, what is refused before any effect, and what a batch does when one entry is bad.
 * What arrives at the other side is `payload.ts`.
 */
import assert from 'node:assert/strict'
import { NotAcceptedError, PublishBatchError } from '../../src/errors.js'
import { growing, range, refuses } from './expect.js'
import { type GroupDefinition, scenario } from './harness.js'

export const publish: GroupDefinition = {
  name: 'publish',
  scenarios: [
    scenario('a receipt names the id, the stream and a position from 1', async (s) => {
      const bus = await s.bus()
      const receipt = await bus.publish(s.to('a'), 1, { id: s.named('one') })
      assert.equal(receipt.id, s.named('one'))
      assert.equal(receipt.stream, s.main)
      assert.ok(receipt.sequence >= 1)
      assert.equal(receipt.duplicate, false)
    }),

    scenario('a receipt says what the acceptance rests on', async (s) => {
      const bus = await s.bus()
      const receipt = await bus.publish(s.to('a'), 1)
      assert.equal(receipt.durability, s.supports.durability)
    }),

    scenario('a message is stored at the position that its receipt names', async (s) => {
      const bus = await s.bus()
      const receipts = [await bus.publish(s.to('a'), 'first'), await bus.publish(s.to('b'), 'second')]
      for (const receipt of receipts) assert.equal((await bus.get(s.main, receipt.sequence))?.id, receipt.id)
    }),

    scenario('messages published without an id get different ones', async (s) => {
      const bus = await s.bus()
      const receipts = await Promise.all(range(1, 100).map((n) => bus.publish(s.to('a'), n)))
      assert.equal(new Set(receipts.map((receipt) => receipt.id)).size, 100)
    }),

    scenario('publishes that are not awaited one by one are stored in the order of the calls', async (s) => {
      const bus = await s.bus()
      const receipts = await Promise.all(range(1, 60).map((n) => bus.publish(s.to('a'), n)))
      growing(receipts.map((receipt) => receipt.sequence))
      assert.deepEqual(await s.stored(bus), range(1, 60))
    }),

    scenario('two clients that publish at the same time lose nothing', async (s) => {
      const [one, two] = [await s.bus(), await s.bus()]
      const receipts = await Promise.all(range(1, 100).map((n) => (n % 2 ? one : two).publish(s.to('a'), n)))
      assert.equal(new Set(receipts.map((receipt) => receipt.sequence)).size, 100)
      const stored = await s.stored(one)
      assert.deepEqual(
        stored.toSorted((a, b) => Number(a) - Number(b)),
        range(1, 100),
      )
    }),

    scenario('the receipts of a batch come in the order of its entries, and so do its messages', async (s) => {
      const bus = await s.bus()
      const entries = range(1, 20).map((n) => ({ to: s.to(`n${n}`), data: n, options: { id: s.named(`${n}`) } }))
      const receipts = await bus.publishBatch(entries)
      assert.deepEqual(
        receipts.map((receipt) => receipt.id),
        entries.map((entry) => entry.options.id),
      )
      growing(receipts.map((receipt) => receipt.sequence))
      assert.deepEqual(await s.stored(bus), range(1, 20))
    }),

    scenario('an empty batch is accepted and stores nothing', async (s) => {
      const bus = await s.bus()
      assert.deepEqual(await bus.publishBatch([]), [])
      assert.deepEqual(await s.stored(bus), [])
    }),

    scenario('a batch with one bad subject stores nothing at all', async (s) => {
      const bus = await s.bus()
      const entries = [
        { to: s.to('a'), data: 1 },
        { to: s.to('*'), data: 2 },
        { to: s.to('c'), data: 3 },
      ]
      await refuses('BUS_INVALID_SUBJECT', () => bus.publishBatch(entries))
      assert.deepEqual(await s.stored(bus), [])
    }),

    scenario('a batch with one payload that cannot be encoded stores nothing at all', async (s) => {
      const bus = await s.bus()
      const entries = [
        { to: s.to('a'), data: 1 },
        { to: s.to('b'), data: { total: Number.NaN } },
      ]
      await refuses('BUS_INVALID_MESSAGE', () => bus.publishBatch(entries))
      assert.deepEqual(await s.stored(bus), [])
    }),

    scenario(
      'a batch with one entry that no stream takes stores the others and tells what became of each',
      async (s) => {
        const bus = await s.bus()
        const entries = [
          { to: s.to('a'), data: 1 },
          { to: s.to('b', 'nowhere'), data: 2 },
          { to: s.to('c'), data: 3 },
        ]
        const error = await refuses('BUS_NO_STREAM', () => bus.publishBatch(entries))
        assert.ok(error instanceof PublishBatchError)
        const [first, second, third] = error.outcomes
        assert.ok(second instanceof NotAcceptedError && second.code === 'BUS_NO_STREAM')
        assert.ok(first !== undefined && 'sequence' in first && third !== undefined && 'sequence' in third)
        assert.ok(third.sequence > first.sequence)
        assert.deepEqual(await s.stored(bus), [1, 3])
      },
    ),

    scenario('a subject that no stream takes is not accepted', async (s) => {
      const bus = await s.bus()
      const error = await refuses('BUS_NO_STREAM', () => bus.publish(s.to('a', 'nowhere'), 1))
      assert.ok(error instanceof NotAcceptedError)
    }),

    scenario('a subject with a wildcard, a space, an empty token or a reserved one is refused', async (s) => {
      const bus = await s.bus()
      for (const bad of ['*', '>', 'a b', 'a..b', '', '$JS.x', 'a\r\nPUB x 0', 'ä', 'a.']) {
        await refuses('BUS_INVALID_SUBJECT', () => bus.publish(s.to(bad), 1))
      }
      assert.deepEqual(await s.stored(bus), [])
    }),

    scenario('data that JSON would change silently is refused, and nothing is stored', async (s) => {
      const bus = await s.bus()
      const cycle: Record<string, unknown> = {}
      cycle.self = cycle
      for (const bad of [
        undefined,
        Number.NaN,
        { n: Number.POSITIVE_INFINITY },
        [undefined],
        () => 1,
        1n,
        new Map(),
        cycle,
      ]) {
        await refuses('BUS_INVALID_MESSAGE', () => bus.publish(s.to('a'), bad))
      }
      assert.deepEqual(await s.stored(bus), [])
    }),

    scenario('data with a key that would reach prototypes is refused, and nothing is stored', async (s) => {
      const bus = await s.bus()
      for (const bad of ['{"__proto__":{"polluted":true}}', '[{"constructor":{"prototype":{"polluted":true}}}]']) {
        await refuses('BUS_INVALID_MESSAGE', () => bus.publish(s.to('a'), JSON.parse(bad)))
      }
      assert.deepEqual(await s.stored(bus), [])
    }),

    scenario('a reserved or malformed header is refused, and nothing is stored', async (s) => {
      const bus = await s.bus()
      for (const name of [
        'Nats-Msg-Id',
        'nats-rollup',
        'Busbar-Version',
        '$x',
        'Status',
        'traceparent',
        'a b',
        'a:b',
        'é',
        '',
      ]) {
        await refuses('BUS_INVALID_MESSAGE', () => bus.publish(s.to('a'), 1, { headers: { [name]: 'x' } }))
      }
      await refuses('BUS_INVALID_MESSAGE', () => bus.publish(s.to('a'), 1, { headers: { note: 'two\r\nlines' } }))
      assert.deepEqual(await s.stored(bus), [])
    }),

    scenario('an id or a key that is empty, too long or not printable is refused, and nothing is stored', async (s) => {
      const bus = await s.bus()
      for (const bad of ['', 'x'.repeat(257), 'a\nb', 'a\0']) {
        await refuses('BUS_INVALID_MESSAGE', () => bus.publish(s.to('a'), 1, { id: bad }))
        await refuses('BUS_INVALID_MESSAGE', () => bus.publish(s.to('a'), 1, { key: bad }))
      }
      assert.deepEqual(await s.stored(bus), [])
    }),

    scenario('a publish whose signal was aborted before is not accepted and stores nothing', async (s) => {
      const bus = await s.bus()
      const given = bus.publish(s.to('a'), 1, { signal: AbortSignal.abort() })
      await assert.rejects(given, NotAcceptedError)
      assert.deepEqual(await s.stored(bus), [])
    }),

    scenario(
      'a payload that does not fit its topic is refused with the path of the issue, and nothing is stored',
      async (s) => {
        const bus = await s.bus()
        const orders = s.numbers('orders.{orderId}')
        const error = await refuses('BUS_INVALID_MESSAGE', () =>
          bus.publish(orders.at({ orderId: '7' }), { n: 'nine' } as never),
        )
        assert.match(error.message, /\bn\b/)
        assert.deepEqual(await s.stored(bus), [])
      },
    ),
  ],
}
