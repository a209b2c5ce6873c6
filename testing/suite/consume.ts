/**
 * Group `consume`: what handlers are given, how pools share, what a durable consumer remembers, and what bounds the work.
 * Where a consumer starts is `start.ts`.
 */
import assert from 'node:assert/strict'
import { nth, pass, range, refuses } from './expect.js'
import { type GroupDefinition, scenario } from './harness.js'

export const consume: GroupDefinition = {
  name: 'consume',
  scenarios: [
    scenario('every message is handled once, in stream order when one worker takes them', async (s) => {
      const bus = await s.bus()
      await s.publish(bus, 'a', range(1, 30))
      const got = s.collector()
      await bus.consume(s.consumer(), got.collect, s.pool({ concurrency: 1 }))
      await s.idle(bus)
      assert.deepEqual(got.data, range(1, 30))
    }),

    scenario('messages published while a pool runs are handled too', async (s) => {
      const bus = await s.bus()
      const got = s.collector()
      await bus.consume(s.consumer(), got.collect, s.pool({ concurrency: 1 }))
      await s.publish(bus, 'a', [1])
      await got.reached(1)
      await s.publish(bus, 'a', [2, 3])
      await got.reached(3)
      assert.deepEqual(got.data, [1, 2, 3])
    }),

    scenario('messages from another client are handled', async (s) => {
      const [publisher, consumer] = [await s.bus(), await s.bus()]
      const got = s.collector()
      await consumer.consume(s.consumer(), got.collect, s.pool())
      await s.publish(publisher, 'a', ['from afar'])
      await got.reached(1)
      assert.deepEqual(got.data, ['from afar'])
    }),

    scenario('a handler is given the message as it was published, and the number of its attempt', async (s) => {
      const bus = await s.bus()
      const receipt = await bus.publish(s.to('a'), 1, { id: s.named('id'), key: 'k', headers: { tenant: 'vbz' } })
      const got = s.collector()
      await bus.consume(s.consumer(), got.collect, s.pool())
      await got.reached(1)
      const { message, attempt } = nth(got.entries, 0)
      const facts = [
        message.id,
        message.key,
        { ...message.headers },
        message.subject,
        message.stream,
        message.sequence,
        attempt,
      ]
      assert.deepEqual(facts, [s.named('id'), 'k', { tenant: 'vbz' }, s.to('a'), s.main, receipt.sequence, 1])
    }),

    scenario('two pools of one consumer handle each message once between them', async (s) => {
      const [one, two] = [await s.bus(), await s.bus()]
      const [first, second] = [s.gate(), s.gate()]
      const got = s.collector()
      for (const [bus, gate] of [
        [one, first],
        [two, second],
      ] as const) {
        await bus.consume(
          s.consumer(),
          async (message) => {
            await gate.enter()
            got.collect(message)
          },
          s.pool({ concurrency: 1, prefetch: 0 }),
        )
      }
      await s.publish(one, 'a', range(1, 20))
      await Promise.all([first.reached(1), second.reached(1)])
      first.open()
      second.open()
      await s.idle(one)
      assert.deepEqual(
        got.data.toSorted((a, b) => Number(a) - Number(b)),
        range(1, 20),
      )
    }),

    scenario('two consumers each handle every message', async (s) => {
      const bus = await s.bus()
      await s.publish(bus, 'a', range(1, 10))
      const [billing, audit] = [s.collector(), s.collector()]
      await bus.consume(s.consumer({ name: s.named('billing') }), billing.collect, s.pool({ concurrency: 1 }))
      await bus.consume(s.consumer({ name: s.named('audit') }), audit.collect, s.pool({ concurrency: 1 }))
      await Promise.all([s.idle(bus, 'billing'), s.idle(bus, 'audit')])
      assert.deepEqual([billing.data, audit.data], [range(1, 10), range(1, 10)])
    }),

    scenario('a consumer goes on where it stood when its last pool stopped', async (s) => {
      const [one, two] = [await s.bus(), await s.bus()]
      await s.publish(one, 'a', [1, 2, 3])
      const [before, after] = [s.collector(), s.collector()]
      const pool = await one.consume(s.consumer(), before.collect, s.pool())
      await s.idle(one)
      await pool.stop()
      await s.publish(one, 'a', [4, 5])
      await two.consume(s.consumer(), after.collect, s.pool({ concurrency: 1 }))
      await s.idle(two)
      assert.deepEqual(after.data, [4, 5])
    }),

    scenario('a consumer name that exists with another definition is refused', async (s) => {
      const [one, two] = [await s.bus(), await s.bus()]
      await one.consume(s.consumer({ filter: s.to('a') }), () => {}, s.pool())
      await refuses('BUS_CONFLICT', () => two.consume(s.consumer({ filter: s.to('b') }), () => {}, s.pool()))
      await refuses('BUS_CONFLICT', () =>
        two.consume(s.consumer({ filter: s.to('a'), ackWait: '7s' }), () => {}, s.pool()),
      )
    }),

    scenario('a consumer of a missing stream is refused', async (s) => {
      const bus = await s.bus()
      await refuses('BUS_NOT_FOUND', () => bus.consume(s.consumer({ stream: s.named('missing') }), () => {}, s.pool()))
    }),

    scenario('a malformed consumer or pool option is refused, and no consumer is created', async (s) => {
      const bus = await s.bus()
      for (const bad of [
        { name: 'a b' },
        { name: '' },
        { ackWait: '5 parsecs' as never },
        { maxInFlight: 0 },
        { order: 'random' as never },
      ]) {
        await refuses('BUS_INVALID_OPTION', () => bus.consume(s.consumer(bad), () => {}, s.pool()))
      }
      for (const bad of [{ concurrency: 0 }, { timeout: -1 }, { retry: { attempts: 0 } }, { retry: { jitter: 2 } }]) {
        await refuses('BUS_INVALID_OPTION', () => bus.consume(s.consumer(), () => {}, s.pool(bad)))
      }
      assert.ok(!(await bus.inspect()).consumers.some((each) => each.stream === s.main))
    }),

    scenario('as many handlers run at a time as the concurrency says, and never more', async (s) => {
      const bus = await s.bus()
      await s.publish(bus, 'a', range(1, 20))
      const gate = s.gate()
      let [running, most] = [0, 0]
      await bus.consume(
        s.consumer(),
        async () => {
          most = Math.max(most, ++running)
          await gate.enter()
          running--
        },
        s.pool({ concurrency: 4 }),
      )
      await gate.reached(4)
      gate.open()
      await s.idle(bus)
      assert.equal(most, 4)
    }),

    scenario('at maxInFlight nothing new is handed out until something is settled', async (s) => {
      const bus = await s.bus()
      await s.publish(bus, 'a', range(1, 10))
      const gate = s.gate()
      await bus.consume(s.consumer({ maxInFlight: 3 }), gate.enter, s.pool({ concurrency: 10 }))
      await gate.reached(3)
      await pass(60)
      assert.equal(gate.arrivals, 3)
      assert.equal((await s.consumerReport(bus)).inFlight, 3)
      gate.open()
      await s.idle(bus)
      assert.equal(gate.arrivals, 10)
    }),

    scenario('a message that waits for its next attempt counts against maxInFlight', async (s) => {
      const bus = await s.bus()
      await s.publish(bus, 'a', ['fails once', 'next'])
      const got = s.collector()
      await bus.consume(
        s.consumer({ maxInFlight: 1 }),
        (message, context) => {
          got.collect(message, context)
          if (got.entries.length === 1) throw new Error('first attempt')
        },
        s.pool({ retry: { attempts: 3, backoff: [60], jitter: 0 } }),
      )
      await s.idle(bus)
      assert.deepEqual(got.data, ['fails once', 'fails once', 'next'])
    }),

    scenario('a paused pool starts nothing, and handles everything once resumed', async (s) => {
      const bus = await s.bus()
      const got = s.collector()
      const pool = await bus.consume(s.consumer(), got.collect, s.pool())
      await s.publish(bus, 'a', [1])
      await s.idle(bus)
      pool.pause()
      assert.equal(pool.stats().paused, true)
      await s.publish(bus, 'a', [2, 3])
      await pass(60)
      assert.deepEqual(got.data, [1])
      pool.resume()
      await s.idle(bus)
      assert.deepEqual(got.data.toSorted(), [1, 2, 3])
    }),

    scenario('a paused pool lets a running handler end', async (s) => {
      const bus = await s.bus()
      const gate = s.gate()
      const pool = await bus.consume(s.consumer(), gate.enter, s.pool())
      await s.publish(bus, 'a', [1])
      await gate.reached(1)
      pool.pause()
      gate.open()
      await s.idle(bus)
      assert.equal(pool.stats().handled, 1)
    }),

    scenario('another pool of the consumer works on while one is paused', async (s) => {
      const [one, two] = [await s.bus(), await s.bus()]
      const got = s.collector()
      const paused = await one.consume(s.consumer(), () => assert.fail('the paused pool ran'), s.pool())
      paused.pause()
      await paused.stop()
      await two.consume(s.consumer(), got.collect, s.pool())
      await s.publish(one, 'a', range(1, 5))
      await s.idle(two)
      assert.equal(got.entries.length, 5)
    }),

    scenario('a handler may publish, and what it publishes is handled by others', async (s) => {
      const bus = await s.bus()
      const got = s.collector()
      await bus.consume(
        s.consumer({ filter: s.to('in') }),
        (message) => bus.publish(s.to('out'), `re: ${message.data}`),
        s.pool(),
      )
      await bus.consume(s.consumer({ name: s.named('out'), filter: s.to('out') }), got.collect, s.pool())
      await s.publish(bus, 'in', ['hello'])
      await got.reached(1)
      assert.deepEqual(got.data, ['re: hello'])
    }),

    scenario('a thousand messages are handled once each by a wide pool', async (s) => {
      const bus = await s.bus()
      await bus.publishBatch(range(1, 1000).map((n) => ({ to: s.to('a'), data: n })))
      const counts = new Map<unknown, number>()
      await bus.consume(
        s.consumer(),
        async (message) => {
          counts.set(message.data, (counts.get(message.data) ?? 0) + 1)
        },
        s.pool({ concurrency: 64 }),
      )
      await s.idle(bus)
      assert.deepEqual([counts.size, Math.max(...counts.values())], [1000, 1])
    }),
  ],
}
