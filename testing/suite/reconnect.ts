/**
 * Group `reconnect`: what happens on an open bus when its backend goes away and comes back.
 */
import assert from 'node:assert/strict'
import { BusError } from '../../src/errors.js'
import type { MessageBus } from '../../src/message-bus.js'
import { range, until } from './expect.js'
import { acrossRestart, type GroupDefinition, when, without } from './harness.js'
import type { Scene } from './scene.js'

export const reconnect: GroupDefinition = {
  name: 'reconnect',
  scenarios: [
    without(
      'reconnects',
      'an adapter that has no connection to lose is connected for as long as it is open',
      async (s) => {
        const bus = await s.bus()
        await s.publish(bus, 'a', range(1, 10))
        const { connected, notes } = await bus.inspect()
        assert.deepEqual([connected, notes, (await bus.health()).status], [true, [], 'ok'])
      },
    ),

    when('reconnects', 'the claim to reconnect can be tested: the harness restarts the backend', async (s) => {
      assert.equal(typeof s.harness.restart, 'function', 'give the harness a restart()')
    }),

    acrossRestart('reconnects', 'an open bus publishes again after the backend came back', async (s) => {
      const bus = await s.bus()
      await s.publish(bus, 'a', [1])
      await s.restart()
      await publishUntilAccepted(s, bus, 2)
      assert.deepEqual(await s.stored(bus), [1, 2])
    }),

    acrossRestart(
      'reconnects',
      'every publish during an outage ends within its timeout, and what was accepted is there',
      async (s) => {
        const bus = await s.bus()
        const restarting = s.restart()
        const began = performance.now()
        const ends = await Promise.allSettled(range(1, 10).map((n) => bus.publish(s.to('a'), n, { timeout: 500 })))
        s.inTime(began, 500, 'the publishes')
        await restarting
        const accepted = ends.flatMap((end, at) => (end.status === 'fulfilled' ? [at + 1] : []))
        for (const end of ends) if (end.status === 'rejected') assert.ok(end.reason instanceof BusError)
        await publishUntilAccepted(s, bus, 99)
        const stored = new Set(await s.stored(bus))
        assert.deepEqual(
          accepted.filter((n) => !stored.has(n)),
          [],
        )
      },
    ),

    acrossRestart('reconnects', 'a pool goes on after the backend came back, and handles everything', async (s) => {
      const bus = await s.bus()
      const handled = new Set<unknown>()
      await bus.consume(s.consumer({ ackWait: 1000 }), (message) => handled.add(message.data), s.pool())
      await s.publish(bus, 'a', [1])
      await until(() => handled.has(1), 'the first message')
      await s.restart()
      await publishUntilAccepted(s, bus, 2)
      await until(() => handled.has(2), 'the second message')
      assert.deepEqual([...handled], [1, 2])
    }),

    acrossRestart(['reconnects', 'live'], 'a live subscription hears again after the backend came back', async (s) => {
      const bus = await s.bus()
      const got = s.collector()
      await bus.subscribe(s.to('>'), got.collect)
      await s.restart()
      await until(async () => {
        await publishUntilAccepted(s, bus, 'again')
        return got.data.includes('again')
      }, 'the subscription to hear')
    }),

    acrossRestart('reconnects', 'health is ok again after the backend came back', async (s) => {
      const bus = await s.bus()
      await s.restart()
      await until(async () => (await bus.health()).status === 'ok', 'the bus to be healthy')
      await publishUntilAccepted(s, bus, 1)
    }),
  ],
}

/** Repeats a publish with one id, as a caller should, until it is accepted. */
async function publishUntilAccepted(s: Scene, bus: MessageBus, datum: unknown): Promise<void> {
  const id = s.named(`${datum}`)
  await until(async () => {
    try {
      await bus.publish(s.to('a'), datum, { id, timeout: 1000 })
      return true
    } catch (error) {
      assert.ok(error instanceof BusError)
      return false
    }
  }, `publish of ${datum} to be accepted`)
}
