/**
 * Group `durability`: what outlives a client, what outlives the backend's restart, and that nobody claims more than that.
 */
import assert from 'node:assert/strict'
import { isBusError } from '../../src/errors.js'
import { nth, range, refuses } from './expect.js'
import { acrossRestart, type GroupDefinition, scenario, when, without } from './harness.js'

export const durability: GroupDefinition = {
  name: 'durability',
  scenarios: [
    scenario('what one client stored is there for another after the first has closed', async (s) => {
      const [one, two] = [await s.bus(), await s.bus()]
      await s.publish(one, 'a', range(1, 5))
      await one.close()
      assert.deepEqual(await s.stored(two), range(1, 5))
    }),

    scenario('a consumer stands where it stood after its client has closed', async (s) => {
      const [one, two] = [await s.bus(), await s.bus()]
      await one.consume(s.consumer(), () => {}, s.pool())
      await s.publish(one, 'a', [1, 2])
      await s.idle(one)
      await one.close()
      await s.publish(two, 'a', [3])
      const got = s.collector()
      await two.consume(s.consumer(), got.collect, s.pool())
      await s.idle(two)
      assert.deepEqual(got.data, [3])
    }),

    scenario('a crash of one client loses nothing that was accepted', async (s) => {
      const [one, two] = [await s.bus(), await s.bus()]
      const receipts = await Promise.all(range(1, 30).map((n) => one.publish(s.to('a'), n)))
      await s.crash(one)
      assert.equal(receipts.length, 30)
      assert.deepEqual(await s.stored(two), range(1, 30))
    }),

    when('publishDedup', 'the window of ids outlives the client that filled it', async (s) => {
      const [one, two] = [await s.bus(), await s.bus()]
      await one.publish(s.to('a'), 1, { id: s.named('id') })
      await one.close()
      assert.equal((await two.publish(s.to('a'), 1, { id: s.named('id') })).duplicate, true)
    }),

    without(
      'survivesRestart',
      'an adapter that forgets with the process says so, and a strict bus that asks for a file is refused',
      async (s) => {
        assert.equal(s.supports.durability, 'process')
        const streams = [s.mainStream({ storage: 'file' }), s.deadStream]
        await refuses('BUS_CONFIG', () => s.unconnectedBus({ streams, strict: true }))
      },
    ),

    when(
      'survivesRestart',
      'a strict bus may ask an adapter that remembers across restarts for a file; it starts, or says what it could not see',
      async (s) => {
        assert.notEqual(s.supports.durability, 'process')
        const streams = [s.mainStream({ storage: 'file' }), s.deadStream]
        const bus = await s.unconnectedBus({ streams, strict: true })
        const error = await bus.connect().then(
          () => undefined,
          (thrown: unknown) => thrown,
        )
        if (error === undefined) await s.publish(bus, 'a', [1])
        else assert.ok(isBusError(error, 'BUS_CONFIG') || isBusError(error, 'BUS_UNSUPPORTED'))
      },
    ),

    when(
      'survivesRestart',
      'the claim to survive a restart can be tested: the harness restarts the backend',
      async (s) => {
        assert.equal(typeof s.harness.restart, 'function', 'give the harness a restart()')
      },
    ),

    acrossRestart(
      'survivesRestart',
      'accepted messages are there after the backend was killed and started again',
      async (s) => {
        const bus = await s.bus()
        await s.publish(bus, 'a', range(1, 20))
        await bus.close()
        await s.restart()
        assert.deepEqual(await s.stored(await s.bus()), range(1, 20))
      },
    ),

    acrossRestart(
      'survivesRestart',
      'after the backend was killed and started again a consumer goes on: nothing is lost, and only what it had just settled may come again',
      async (s) => {
        const bus = await s.bus()
        await bus.consume(s.consumer({ ackWait: 500 }), () => {}, s.pool())
        await s.publish(bus, 'a', [1, 2])
        await s.idle(bus)
        await bus.close()
        await s.restart()
        const again = await s.bus()
        await s.publish(again, 'a', [3])
        const got = s.collector()
        await again.consume(s.consumer({ ackWait: 500 }), got.collect, s.pool({ concurrency: 1 }))
        await s.idle(again)
        // A backend may write down later that a message was settled than that it was stored.
        const [settled, fresh] = [got.data.filter((datum) => datum !== 3), got.data.filter((datum) => datum === 3)]
        assert.deepEqual(fresh, [3])
        assert.equal(new Set(settled).size, settled.length)
        assert.ok(settled.every((datum) => datum === 1 || datum === 2))
      },
    ),

    acrossRestart(
      'survivesRestart',
      'a dead letter is there after the backend was killed and started again',
      async (s) => {
        const bus = await s.bus()
        await s.publish(bus, 'a', ['bad'])
        await bus.consume(
          s.consumer(),
          () => {
            throw new Error('always')
          },
          s.pool({ retry: { attempts: 1 } }),
        )
        await s.idle(bus)
        await bus.close()
        await s.restart()
        assert.equal(nth(await s.letters(await s.bus()), 0).data, 'bad')
      },
    ),
  ],
}
