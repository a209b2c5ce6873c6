/**
 * Group `settle`: what each settlement does to a delivery, at the port.
 */
import assert from 'node:assert/strict'
import { notBefore, nth, pass, range, until } from './expect.js'
import { type GroupDefinition, scenario } from './harness.js'
import { textOf } from './port-side.js'

const ACK = { kind: 'ack' } as const
const TERM = { kind: 'term', reason: 'rejected' } as const
const RELEASE = { kind: 'release' } as const
const WORKING = { kind: 'working' } as const
const ACK_WAIT_MS = 150

export const settle: GroupDefinition = {
  name: 'settle',
  scenarios: [
    scenario('an acknowledged message is not delivered again when its ack wait passes', async (s) => {
      const port = await s.port()
      const { probe } = await port.attach(10, { ackWait: ACK_WAIT_MS })
      await port.publish('acked', 'left alone')
      await port.settle(ACK, await probe.arrival('acked'))
      await probe.arrival('left alone', 2)
      assert.deepEqual(
        probe.texts.filter((text) => text === 'acked'),
        ['acked'],
      )
    }),

    scenario('a terminated message is not delivered again when its ack wait passes', async (s) => {
      const port = await s.port()
      const { probe } = await port.attach(10, { ackWait: ACK_WAIT_MS })
      await port.publish('given up', 'left alone')
      await port.settle(TERM, await probe.arrival('given up'))
      await probe.arrival('left alone', 2)
      assert.deepEqual(
        probe.texts.filter((text) => text === 'given up'),
        ['given up'],
      )
    }),

    scenario(
      'a delivery that nobody settles comes again after its ack wait, not before, as the next attempt',
      async (s) => {
        const port = await s.port()
        const { probe } = await port.attach(10, { ackWait: ACK_WAIT_MS })
        await port.publish('a')
        await probe.arrival('a')
        const delivered = performance.now()
        const again = await probe.arrival('a', 2)
        // The ack wait began when the backend handed it out, a little before it was seen here.
        notBefore(delivered, ACK_WAIT_MS - 30, 'the redelivery')
        s.inTime(delivered, ACK_WAIT_MS, 'the redelivery')
        assert.equal(again.message.sequence, nth(probe.deliveries, 0).message.sequence)
      },
    ),

    scenario('nak brings a message back after its delay, not before, as the next attempt', async (s) => {
      const port = await s.port()
      const { probe } = await port.attach(10)
      await port.publish('a')
      const first = await probe.arrival('a')
      const refused = performance.now()
      await port.settle({ kind: 'nak', delayMs: 120 }, first)
      await probe.arrival('a', 2)
      notBefore(refused, 120, 'the next attempt')
      s.inTime(refused, 120, 'the next attempt')
    }),

    scenario('nak without a delay brings a message back at once', async (s) => {
      const port = await s.port()
      const { probe } = await port.attach(10)
      await port.publish('a')
      const first = await probe.arrival('a')
      const refused = performance.now()
      await port.settle({ kind: 'nak', delayMs: 0 }, first)
      await probe.arrival('a', 2)
      s.inTime(refused, 0, 'the next attempt')
    }),

    scenario('release brings a message back at once, as the same attempt', async (s) => {
      const port = await s.port()
      const { probe } = await port.attach(10)
      await port.publish('a')
      await port.settle(RELEASE, await probe.nth(1))
      assert.equal((await probe.nth(2)).attempt, 1)
    }),

    scenario('release after a failure keeps the count of attempts', async (s) => {
      const port = await s.port()
      const { probe } = await port.attach(10)
      await port.publish('a')
      await port.settle({ kind: 'nak', delayMs: 0 }, await probe.nth(1))
      await port.settle(RELEASE, await probe.nth(2))
      await port.settle(RELEASE, await probe.nth(3))
      await port.settle({ kind: 'nak', delayMs: 0 }, await probe.nth(4))
      await probe.nth(5)
      assert.deepEqual(
        probe.deliveries.map((each) => each.attempt),
        [1, 2, 2, 2, 3],
      )
    }),

    scenario('a message that one client released is handed to another at once', async (s) => {
      const [one, two] = [await s.port(), await s.port()]
      const first = await one.attach(1)
      await one.publish('a')
      const held = await first.probe.nth(1)
      const second = await two.attach(1)
      await first.feed.stop()
      const released = performance.now()
      await one.settle(RELEASE, held)
      assert.equal((await second.probe.nth(1)).attempt, 1)
      s.inTime(released, 0, 'the hand-over')
    }),

    scenario('working keeps a message from coming back for as long as it is repeated', async (s) => {
      const port = await s.port()
      const { probe } = await port.attach(10, { ackWait: 250 })
      await port.publish('worked on')
      const held = await probe.nth(1)
      for (const _ of range(1, 8)) {
        await pass(80)
        await port.settle(WORKING, held)
      }
      assert.equal(probe.deliveries.length, 1)
      await probe.arrival('worked on', 2)
    }),

    scenario('several deliveries can be settled in one call', async (s) => {
      const port = await s.port()
      const { probe, feed } = await port.attach(10)
      await port.publish('a', 'b', 'c')
      await probe.nth(3)
      await port.settle(ACK, ...probe.deliveries)
      await until(async () => (await port.consumerReport()).inFlight === 0, 'all to be settled')
      assert.equal(feed.pending(), 0)
    }),

    scenario('settling twice is as settling once', async (s) => {
      const port = await s.port()
      const { probe } = await port.attach(10, { ackWait: ACK_WAIT_MS })
      await port.publish('a', 'marker')
      const held = await probe.arrival('a')
      await port.settle(ACK, held)
      await port.settle(ACK, held)
      await port.settle({ kind: 'nak', delayMs: 0 }, held)
      await probe.arrival('marker', 2)
      assert.deepEqual(
        probe.texts.filter((text) => text === 'a'),
        ['a'],
      )
    }),

    scenario('an ack of a delivery that was meanwhile redelivered settles the message all the same', async (s) => {
      const port = await s.port()
      const { probe } = await port.attach(10, { ackWait: ACK_WAIT_MS })
      await port.publish('a')
      const stale = await probe.arrival('a')
      await probe.arrival('a', 2)
      await port.settle(ACK, stale)
      await until(async () => (await port.consumerReport()).inFlight === 0, 'the message to be settled')
    }),

    scenario('a term of a delivery that was meanwhile redelivered settles the message all the same', async (s) => {
      const port = await s.port()
      const { probe } = await port.attach(10, { ackWait: ACK_WAIT_MS })
      await port.publish('a')
      const stale = await probe.arrival('a')
      await probe.arrival('a', 2)
      await port.settle(TERM, stale)
      await until(async () => (await port.consumerReport()).inFlight === 0, 'the message to be settled')
    }),

    scenario('a nak or release of a delivery that was meanwhile redelivered does nothing', async (s) => {
      const port = await s.port()
      const { probe } = await port.attach(10, { ackWait: 300 })
      await port.publish('a')
      const stale = await probe.arrival('a')
      const current = await probe.arrival('a', 2)
      await port.settle({ kind: 'nak', delayMs: 0 }, stale)
      await port.settle(RELEASE, stale)
      await pass(40)
      assert.equal(probe.deliveries.length, 2)
      await port.settle(ACK, current)
      await until(async () => (await port.consumerReport()).inFlight === 0, 'the message to be settled')
    }),

    scenario('a delivery can still be settled after its feed was stopped', async (s) => {
      const port = await s.port()
      const { probe, feed } = await port.attach(10)
      await port.publish('a')
      const held = await probe.nth(1)
      await feed.stop()
      await port.settle(ACK, held)
      await until(async () => (await port.consumerReport()).inFlight === 0, 'the message to be settled')
    }),

    scenario("one consumer's ack settles nothing for another", async (s) => {
      const port = await s.port()
      const [billing, audit] = [
        await port.attach(10, { name: s.named('billing') }),
        await port.attach(10, { name: s.named('audit') }),
      ]
      await port.publish('a')
      await port.settle(ACK, await billing.probe.nth(1))
      await port.settle({ kind: 'nak', delayMs: 0 }, await audit.probe.nth(1))
      assert.equal(textOf((await audit.probe.nth(2)).message), 'a')
      assert.equal(billing.probe.deliveries.length, 1)
    }),

    scenario(
      'what a client held when it went away comes to another after its ack wait, as the next attempt',
      async (s) => {
        const [one, two] = [await s.port(), await s.port()]
        const first = await one.attach(1, { ackWait: ACK_WAIT_MS })
        await one.publish('a')
        await first.probe.nth(1)
        await one.adapter.close()
        const second = await two.attach(1, { ackWait: ACK_WAIT_MS })
        assert.equal((await second.probe.nth(1)).attempt, 2)
      },
    ),
  ],
}
