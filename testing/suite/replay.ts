/**
 * Group `replay`: reading history without consuming it, by position, time and subject.
 */
import assert from 'node:assert/strict'
import { nth, pass, range, refuses } from './expect.js'
import { type GroupDefinition, scenario, when, without } from './harness.js'

export const replay: GroupDefinition = {
  name: 'replay',
  scenarios: [
    scenario('a replay yields every stored message in stream order', async (s) => {
      const bus = await s.bus()
      await s.publish(bus, 'a', range(1, 10))
      assert.deepEqual(await s.stored(bus), range(1, 10))
    }),

    scenario('a replay of more messages than any page holds misses none', async (s) => {
      const bus = await s.bus()
      await bus.publishBatch(range(1, 1300).map((n) => ({ to: s.to('a'), data: n })))
      assert.deepEqual(await s.stored(bus), range(1, 1300))
    }),

    scenario('a replay yields what its filters take', async (s) => {
      const bus = await s.bus()
      for (const path of ['a.1', 'b.1', 'c.1', 'a.2']) await bus.publish(s.to(path), path)
      assert.deepEqual(await s.stored(bus, { filter: [s.to('a.*'), s.to('c.1')] }), ['a.1', 'c.1', 'a.2'])
    }),

    scenario('a replay by position includes both ends', async (s) => {
      const bus = await s.bus()
      await s.publish(bus, 'a', range(1, 6))
      const at = (await s.history(bus)).map((message) => message.sequence)
      const query = { from: { sequence: nth(at, 1) }, to: { sequence: nth(at, 4) } }
      assert.deepEqual(await s.stored(bus, query), [2, 3, 4, 5])
    }),

    scenario('a replay by time includes both ends', async (s) => {
      const bus = await s.bus()
      for (const n of range(1, 5)) {
        await bus.publish(s.to('a'), n)
        await pass(5)
      }
      const times = (await s.history(bus)).map((message) => message.time)
      const query = { from: { time: nth(times, 1) }, to: { time: new Date(nth(times, 3)) } }
      assert.deepEqual(await s.stored(bus, query), [2, 3, 4])
    }),

    scenario('a replay stops at its limit', async (s) => {
      const bus = await s.bus()
      await s.publish(bus, 'a', range(1, 6))
      assert.deepEqual(await s.stored(bus, { limit: 2 }), [1, 2])
    }),

    scenario("a replay from 'last' yields the newest message", async (s) => {
      const bus = await s.bus()
      await s.publish(bus, 'a', [1, 2])
      assert.deepEqual(await s.stored(bus, { from: 'last' }), [2])
    }),

    when(
      'lastPerSubject',
      "a replay from 'last-per-subject' yields the newest message of each subject, in stream order",
      async (s) => {
        const bus = await s.bus()
        for (const text of ['a1', 'b1', 'c1', 'a2']) await bus.publish(s.to(text.slice(0, 1)), text)
        assert.deepEqual(await s.stored(bus, { from: 'last-per-subject' }), ['b1', 'c1', 'a2'])
      },
    ),

    without('lastPerSubject', "a replay from 'last-per-subject' is refused", async (s) => {
      const bus = await s.bus()
      await refuses('BUS_UNSUPPORTED', () => s.stored(bus, { from: 'last-per-subject' }))
    }),

    scenario('a replay ends with the last message that was there when it began', async (s) => {
      const bus = await s.bus()
      await s.publish(bus, 'a', [1, 2, 3])
      const seen: unknown[] = []
      for await (const message of bus.replay({ stream: s.main })) {
        seen.push(message.data)
        await bus.publish(s.to('a'), 'late')
      }
      assert.deepEqual(seen, [1, 2, 3])
    }),

    scenario('a replay of an empty stream yields nothing', async (s) => {
      const bus = await s.bus()
      assert.deepEqual(await s.stored(bus), [])
      assert.deepEqual(await s.stored(bus, { from: 'last' }), [])
      assert.deepEqual(await s.stored(bus, { from: { sequence: 7 } }), [])
    }),

    scenario('a replay that was left early can be begun again', async (s) => {
      const bus = await s.bus()
      await s.publish(bus, 'a', range(1, 5))
      for await (const message of bus.replay({ stream: s.main })) if (message.data === 2) break
      assert.deepEqual(await s.stored(bus), range(1, 5))
    }),

    scenario('two replays at the same time do not disturb each other', async (s) => {
      const bus = await s.bus()
      await s.publish(bus, 'a', range(1, 50))
      assert.deepEqual(await Promise.all([s.stored(bus), s.stored(bus)]), [range(1, 50), range(1, 50)])
    }),

    scenario('aborting a replay ends it without an error', async (s) => {
      const bus = await s.bus()
      await s.publish(bus, 'a', range(1, 20))
      const stopping = new AbortController()
      const seen: unknown[] = []
      for await (const message of bus.replay({ stream: s.main, signal: stopping.signal })) {
        seen.push(message.data)
        if (message.data === 3) stopping.abort()
      }
      assert.deepEqual(seen, [1, 2, 3])
    }),

    scenario('a replay takes nothing away from consumers', async (s) => {
      const bus = await s.bus()
      await s.publish(bus, 'a', [1, 2])
      await s.stored(bus)
      const got = s.collector()
      await bus.consume(s.consumer(), got.collect, s.pool({ concurrency: 1 }))
      await s.idle(bus)
      assert.deepEqual(got.data, [1, 2])
    }),

    scenario('a replay by topic yields typed data and parameters', async (s) => {
      const bus = await s.bus()
      const orders = s.numbers('orders.{orderId}')
      await bus.publish(orders.at({ orderId: 'a.b' }), { n: 9 })
      for await (const message of bus.replay({ stream: s.main, filter: orders })) {
        assert.deepEqual([message.data.n, message.params.orderId], [9, 'a.b'])
      }
      assert.equal((await s.history(bus, { filter: orders })).length, 1)
    }),

    scenario('a replay of a missing stream is refused', async (s) => {
      const bus = await s.bus()
      await refuses('BUS_NOT_FOUND', () => s.stored(bus, { stream: s.named('missing') }))
    }),

    scenario('a malformed replay is refused', async (s) => {
      const bus = await s.bus()
      for (const bad of [
        { from: { sequence: 0 } },
        { from: 'start' as never },
        { limit: 0 },
        { to: { sequence: -1 } },
        { to: {} as never },
      ]) {
        await refuses('BUS_INVALID_OPTION', () => s.stored(bus, bad))
      }
    }),

    scenario('last() is the newest message of a subject, or nothing', async (s) => {
      const bus = await s.bus()
      await s.publish(bus, 'a', [1, 2])
      await s.publish(bus, 'b', [3])
      assert.equal((await bus.last(s.to('a')))?.data, 2)
      assert.equal(await bus.last(s.to('c')), undefined)
    }),

    scenario('get() is the message at a position, or nothing', async (s) => {
      const bus = await s.bus()
      const { sequence } = await bus.publish(s.to('a'), 'here')
      assert.equal((await bus.get(s.main, sequence))?.data, 'here')
      assert.equal(await bus.get(s.main, sequence + 1), undefined)
      await refuses('BUS_NOT_FOUND', () => bus.get(s.named('missing'), 1))
    }),

    when('remove', 'get() does not hand out a neighbour when the message is gone', async (s) => {
      const bus = await s.bus()
      await s.publish(bus, 'a', [1, 2, 3])
      const { sequence } = nth(await s.history(bus), 1)
      const { adapter } = await s.port()
      await adapter.remove(s.main, [sequence])
      assert.equal(await bus.get(s.main, sequence), undefined)
      assert.deepEqual(await s.stored(bus), [1, 3])
    }),
  ],
}
