/**
 * Group `credit`: a backend hands out what was granted and nothing more, so that no delivery waits in a client's buffer.
 */
import assert from 'node:assert/strict'
import { nth, pass, range, refuses } from './expect.js'
import { type GroupDefinition, scenario } from './harness.js'

export const credit: GroupDefinition = {
  name: 'credit',
  scenarios: [
    scenario('nothing is handed out before credit is granted', async (s) => {
      const port = await s.port()
      const { probe, feed } = await port.attach(0)
      await port.publish('a')
      await pass(60)
      assert.equal(probe.deliveries.length, 0)
      feed.grant(1)
      await probe.nth(1)
    }),

    scenario('never more is handed out than was granted', async (s) => {
      const port = await s.port()
      await port.publish(...range(1, 20).map(String))
      const { probe } = await port.attach(7)
      await probe.nth(7)
      await pass(60)
      assert.equal(probe.deliveries.length, 7)
    }),

    scenario('settling grants no credit by itself', async (s) => {
      const port = await s.port()
      await port.publish('a', 'b', 'c')
      const { probe } = await port.attach(2)
      await probe.nth(2)
      await port.settle({ kind: 'ack' }, ...probe.deliveries)
      await pass(60)
      assert.equal(probe.deliveries.length, 2)
    }),

    scenario('credit adds up, and is still there when messages come later', async (s) => {
      const port = await s.port()
      const { probe, feed } = await port.attach(2)
      feed.grant(1)
      await port.publish('a', 'b', 'c', 'd')
      await probe.nth(3)
      await pass(60)
      assert.deepEqual(probe.texts, ['a', 'b', 'c'])
    }),

    scenario('a redelivery takes credit as any delivery does', async (s) => {
      const port = await s.port()
      const { probe, feed } = await port.attach(1)
      await port.publish('a')
      await port.settle({ kind: 'nak', delayMs: 0 }, await probe.nth(1))
      await pass(60)
      assert.equal(probe.deliveries.length, 1)
      feed.grant(1)
      assert.equal((await probe.nth(2)).attempt, 2)
    }),

    scenario('new messages are handed out in stream order', async (s) => {
      const port = await s.port()
      await port.publish(...range(1, 50).map(String))
      const { probe, feed } = await port.attach(20)
      await probe.nth(20)
      feed.grant(30)
      await probe.nth(50)
      assert.deepEqual(probe.texts, range(1, 50).map(String))
    }),

    scenario('several feeds with credit share the messages, each once', async (s) => {
      const [one, two] = [await s.port(), await s.port()]
      const [first, second] = [await one.attach(5), await two.attach(5)]
      await one.publish(...range(1, 10).map(String))
      await Promise.all([first.probe.nth(5), second.probe.nth(5)])
      const all = [...first.probe.texts, ...second.probe.texts].map(Number).toSorted((a, b) => a - b)
      assert.deepEqual(all, range(1, 10))
    }),

    scenario('a feed without credit does not hold up one that has some', async (s) => {
      const [one, two] = [await s.port(), await s.port()]
      const [idle, busy] = [await one.attach(0), await two.attach(3)]
      await one.publish('a', 'b', 'c')
      await busy.probe.nth(3)
      assert.equal(idle.probe.deliveries.length, 0)
    }),

    scenario('a stopped feed is handed nothing more, whatever credit it had', async (s) => {
      const [one, two] = [await s.port(), await s.port()]
      const [stopped, other] = [await one.attach(10), await two.attach(0)]
      await stopped.feed.stop()
      await stopped.feed.stop()
      await one.publish('a')
      other.feed.grant(1)
      await other.probe.nth(1)
      assert.equal(stopped.probe.deliveries.length, 0)
    }),

    scenario('a feed tells how many matching messages it has not handed out', async (s) => {
      const port = await s.port()
      await port.publish('a', 'b', 'c')
      const { probe, feed } = await port.attach(1)
      await probe.nth(1)
      assert.equal(feed.pending(), 2)
    }),

    scenario('with order by key one feed is served and the others stand by', async (s) => {
      const [one, two] = [await s.port(), await s.port()]
      const first = await one.attach(10, { order: 'key' })
      const second = await two.attach(10, { order: 'key' })
      await one.send(range(1, 6).map((n) => one.outgoing(String(n), { key: `k${n % 2}` })))
      await first.probe.nth(6)
      assert.equal(second.probe.deliveries.length, 0)
    }),

    scenario('with order by key, the feed that takes over is told first what the other left unsettled', async (s) => {
      const [one, two] = [await s.port(), await s.port()]
      const settings = { order: 'key', ackWait: 300 } as const
      const first = await one.attach(1, settings)
      const [outcome] = await one.send(['left', 'next'].map((text) => one.outgoing(text, { key: 'k' })))
      await first.probe.nth(1)
      const second = await two.attach(10, settings)
      await first.feed.stop()
      await second.probe.arrival('next')
      assert.ok(outcome?.status === 'accepted')
      const awaited = new Set(second.probe.awaited.map((message) => message.sequence))
      assert.deepEqual(awaited, new Set([outcome.sequence]))
      assert.equal((await second.probe.arrival('left', 2)).message.sequence, outcome.sequence)
    }),

    scenario('with order by key, a feed is told when what it waits for was settled by the other', async (s) => {
      const [one, two] = [await s.port(), await s.port()]
      const first = await one.attach(1, { order: 'key' })
      await one.send([one.outgoing('left', { key: 'k' })])
      const held = await first.probe.nth(1)
      const second = await two.attach(10, { order: 'key' })
      await first.feed.stop()
      await second.probe.hears('awaited')
      await one.settle({ kind: 'ack' }, held)
      await second.probe.hears('lost')
      assert.equal(nth(second.probe.lost, 0).sequence, held.message.sequence)
      assert.equal(second.probe.deliveries.length, 0)
    }),

    scenario('attaching to a missing stream is refused', async (s) => {
      const port = await s.port()
      await refuses('BUS_NOT_FOUND', () => port.attach(1, { stream: s.named('missing') }))
    }),
  ],
}
