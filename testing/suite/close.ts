/**
 * Group `close`: closing a bus drains what runs, waits no longer than it was told, and leaves every publish with a clear end.
 */
import assert from 'node:assert/strict'
import { BusError } from '../../src/errors.js'
import type { MessageBus } from '../../src/message-bus.js'
import { busyPool } from './busy-pool.js'
import { pass, range } from './expect.js'
import { type GroupDefinition, scenario, when } from './harness.js'

export const close: GroupDefinition = {
  name: 'close',
  scenarios: [
    scenario('no handler starts after close() was called', async (s) => {
      const { bus, gate } = await busyPool(s, { concurrency: 2, prefetch: 2 })
      const closing = bus.close()
      gate.open()
      await closing
      assert.equal(gate.arrivals, 2)
    }),

    when('live', 'close() does not wait beyond its deadline for a subscriber that does not end', async (s) => {
      const bus = await s.bus()
      const gate = s.gate()
      await bus.subscribe(s.to('>'), gate.enter)
      await s.publish(bus, 'a', [1])
      await gate.reached(1)
      const began = performance.now()
      await bus.close({ within: 60 })
      s.inTime(began, 60, 'the close')
    }),

    when('live', "close() lets a subscriber's running handler end", async (s) => {
      const bus = await s.bus()
      const gate = s.gate()
      let ended = false
      await bus.subscribe(s.to('>'), async () => {
        await gate.enter()
        ended = true
      })
      await s.publish(bus, 'a', [1])
      await gate.reached(1)
      const closing = bus.close().then(() => ended)
      await pass(20)
      gate.open()
      assert.equal(await closing, true)
    }),

    scenario('close() drains the pools: running handlers end and are settled', async (s) => {
      const { bus, gate, messages } = await busyPool(s, { concurrency: 2, prefetch: 1 })
      const closing = bus.close()
      gate.open()
      await closing
      const other = await s.bus()
      const got = s.collector()
      await other.consume(s.consumer(), got.collect, s.pool())
      await s.idle(other)
      assert.deepEqual([got.data.toSorted(), new Set(got.attempts)], [range(3, messages), new Set([1])])
    }),

    scenario('a handler may publish while its bus closes', async (s) => {
      const bus = await s.bus()
      const gate = s.gate()
      await bus.consume(
        s.consumer({ filter: s.to('in') }),
        async (message) => {
          await gate.enter()
          await bus.publish(s.to('out'), message.data)
        },
        s.pool(),
      )
      await s.publish(bus, 'in', ['last words'])
      await gate.reached(1)
      const closing = bus.close()
      assert.equal((await bus.health()).state, 'draining')
      gate.open()
      await closing
      assert.deepEqual(await s.stored(await s.bus(), { filter: s.to('out') }), ['last words'])
    }),

    scenario('close() does not wait for a handler beyond its deadline', async (s) => {
      const { bus } = await busyPool(s, { concurrency: 1, prefetch: 0 })
      const began = performance.now()
      await bus.close({ within: 60 })
      s.inTime(began, 60, 'the close')
      assert.equal((await bus.health()).state, 'closed')
    }),

    scenario('closing twice is as closing once, also at the same time', async (s) => {
      const { bus, gate } = await busyPool(s, { concurrency: 1, prefetch: 0 })
      const closing = [bus.close(), bus.close()]
      gate.open()
      await Promise.all(closing)
      await bus.close()
      assert.equal((await bus.health()).state, 'closed')
    }),

    scenario('a bus is closed at the end of its `await using` block', async (s) => {
      let kept: MessageBus
      {
        await using bus = await s.bus()
        kept = bus
        await bus.publish(s.to('a'), 1)
      }
      assert.equal((await kept.health()).state, 'closed')
    }),

    scenario('a bus that was never connected can be closed', async (s) => {
      const bus = await s.unconnectedBus()
      await bus.close()
      assert.equal((await bus.health()).state, 'closed')
    }),

    scenario(
      'publishes that are under way when the bus closes each end as stored or refused, as they say',
      async (s) => {
        const bus = await s.bus()
        const publishes = range(1, 40).map((n) => bus.publish(s.to('a'), n))
        const closing = bus.close()
        const late = range(41, 60).map((n) => bus.publish(s.to('a'), n))
        const ends = await Promise.allSettled([...publishes, ...late])
        await closing
        const accepted = ends.flatMap((end, at) => (end.status === 'fulfilled' ? [at + 1] : []))
        for (const end of ends) if (end.status === 'rejected') assert.ok(end.reason instanceof BusError)
        assert.deepEqual(await s.stored(await s.bus()), accepted)
      },
    ),
  ],
}
