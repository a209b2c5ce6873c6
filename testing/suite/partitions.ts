/**
 * Group `partitions`: a consumer that is divided by key loses nothing and keeps the order of every key, with one client or several.
 * Who serves what is up to the backend: one that serves a single client at a time keeps all of this as well.
 */
import assert from 'node:assert/strict'
import type { ConsumerDefinition } from '../../src/message-bus.js'
import { nth, pass, range, refuses, until } from './expect.js'
import { type GroupDefinition, scenario } from './harness.js'
import type { Scene } from './scene.js'

const KEYS = range(1, 12).map((n) => `key-${n}`)

type Settings = Pick<Partial<ConsumerDefinition>, 'name' | 'ackWait'>

function divided(s: Scene, into: number, changes: Settings = {}) {
  return s.consumer({ order: 'key' as const, partitions: into, ...changes })
}

export const partitions: GroupDefinition = {
  name: 'partitions',
  scenarios: [
    scenario('every message of every key is handled once and in order', async (s) => {
      const bus = await s.bus()
      const got = s.collector()
      await bus.consume(divided(s, 4), got.collect, s.pool())
      await bus.publishBatch(
        range(1, 10).flatMap((n) => KEYS.map((key) => ({ to: s.to(key), data: n, options: { key } }))),
      )
      await s.idle(bus)
      for (const key of KEYS) assert.deepEqual(got.ofKey(key), range(1, 10), key)
    }),

    scenario('messages without a key are all handled', async (s) => {
      const bus = await s.bus()
      await s.publish(bus, 'a', range(1, 20))
      const got = s.collector()
      await bus.consume(divided(s, 3), got.collect, s.pool())
      await s.idle(bus)
      assert.deepEqual(new Set(got.data), new Set(range(1, 20)))
      assert.equal(got.data.length, 20)
    }),

    scenario('two clients handle every message once and keep the order of every key', async (s) => {
      const [one, two] = [await s.bus(), await s.bus()]
      const got = s.collector()
      const handler = async (message: Parameters<typeof got.collect>[0]) => {
        await new Promise(setImmediate)
        got.collect(message)
      }
      for (const bus of [one, two]) await bus.consume(divided(s, 4), handler, s.pool({ concurrency: 4 }))
      for (const n of range(1, 12)) for (const key of KEYS) await (n % 2 ? one : two).publish(s.to(key), n, { key })
      await s.idle(one)
      for (const key of KEYS) assert.deepEqual(got.ofKey(key), range(1, 12), key)
    }),

    scenario('a message that fails is tried again before the next one of its key, at whichever client', async (s) => {
      const [one, two] = [await s.bus(), await s.bus()]
      const got = s.collector()
      const failed = new Set<string>()
      const handler = (message: Parameters<typeof got.collect>[0]): void => {
        const name = `${message.key} ${message.data}`
        if (Number(message.data) % 4 === 0 && !failed.has(name)) {
          failed.add(name)
          throw new Error('every fourth fails once')
        }
        got.collect(message)
      }
      for (const bus of [one, two]) await bus.consume(divided(s, 3), handler, s.pool({ concurrency: 4 }))
      for (const n of range(1, 8)) for (const key of KEYS) await one.publish(s.to(key), n, { key })
      await s.idle(one)
      for (const key of KEYS) assert.deepEqual(got.ofKey(key), range(1, 8), key)
      assert.equal(failed.size, 2 * KEYS.length)
    }),

    scenario('when a client stops, another takes over its keys in their order, and no attempt is lost', async (s) => {
      const [one, two] = [await s.bus(), await s.bus()]
      const got = s.collector()
      const gate = s.gate()
      const stopping = await one.consume(
        divided(s, 4),
        async (message, context) => {
          await gate.enter()
          got.collect(message, context)
        },
        s.pool({ concurrency: 2 }),
      )
      for (const n of range(1, 6)) for (const key of KEYS) await two.publish(s.to(key), n, { key })
      await gate.reached(2)
      await two.consume(divided(s, 4), got.collect, s.pool())
      const stopped = stopping.stop()
      gate.open()
      await stopped
      await s.idle(two)
      for (const key of KEYS) assert.deepEqual(got.ofKey(key), range(1, 6), key)
      assert.deepEqual(new Set(got.attempts), new Set([1]))
    }),

    scenario('when a client crashes, another handles what it had, in the order of every key', async (s) => {
      const [one, two] = [await s.bus(), await s.bus()]
      const got = s.collector()
      const gate = s.gate()
      const changes = { ackWait: 200 }
      // On a busy machine an ack wait passes now and then before anybody gets to run.
      const patient = s.pool({ retry: { attempts: 1000 } })
      await one.consume(divided(s, 4, changes), gate.enter, patient)
      for (const n of range(1, 4)) for (const key of KEYS) await two.publish(s.to(key), n, { key })
      await gate.reached(1)
      await two.consume(divided(s, 4, changes), got.collect, patient)
      await s.crash(one)
      await s.idle(two)
      for (const key of KEYS) assert.deepEqual([...new Set(got.ofKey(key))], range(1, 4), key)
    }),

    scenario('a single worker that holds nothing in advance is given the messages of every partition', async (s) => {
      const bus = await s.bus()
      const got = s.collector()
      await bus.consume(divided(s, 8), got.collect, s.pool({ concurrency: 1, prefetch: 0 }))
      for (const n of [1, 2]) for (const key of KEYS) await bus.publish(s.to(key), n, { key })
      await s.idle(bus)
      for (const key of KEYS) assert.deepEqual(got.ofKey(key), [1, 2], key)
    }),

    scenario('never more is handed out than was granted, whatever lies in the partitions', async (s) => {
      const port = await s.port()
      await port.send(KEYS.map((key) => port.outgoing(key, { key })))
      const { probe, feed } = await port.attach(5, { order: 'key', partitions: 4 })
      await probe.nth(5)
      await pass(60)
      assert.equal(probe.deliveries.length, 5)
      feed.grant(100)
      await probe.nth(KEYS.length)
      assert.deepEqual(new Set(probe.texts), new Set(KEYS))
      await port.settle({ kind: 'ack' }, ...probe.deliveries)
      await until(async () => (await port.consumerReport()).inFlight === 0, 'all of them to be settled')
    }),

    scenario('a message that nobody has room for is still the first attempt when it is handed out late', async (s) => {
      const port = await s.port()
      const { probe, feed } = await port.attach(0, { order: 'key', partitions: 3, ackWait: '2s' })
      await port.send(KEYS.map((key) => port.outgoing(key, { key })))
      await pass(2500)
      assert.equal(probe.deliveries.length, 0)
      feed.grant(KEYS.length)
      await probe.nth(KEYS.length)
      assert.deepEqual(new Set(probe.deliveries.map(({ attempt }) => attempt)), new Set([1]))
      await port.settle({ kind: 'ack' }, ...probe.deliveries)
    }),

    scenario('the consumer is reported once, and its clients are counted', async (s) => {
      const [one, two] = [await s.bus(), await s.bus()]
      const gate = s.gate()
      for (const bus of [one, two]) await bus.consume(divided(s, 4), gate.enter, s.pool())
      for (const key of KEYS) await one.publish(s.to(key), 1, { key })
      await gate.reached(KEYS.length)
      // What is for another partition is acknowledged, and counted until then.
      await until(
        async () => (await s.consumerReport(one)).inFlight === KEYS.length,
        'only the handled to be in flight',
      )
      const { consumers } = await one.inspect()
      const reports = consumers.filter(({ stream }) => stream === s.main)
      assert.deepEqual(
        reports.map(({ name, feeds, pending }) => [name, feeds, pending]),
        [[s.named('worker'), 2, 0]],
      )
    }),

    scenario('dividing it otherwise is refused, and both numbers are named', async (s) => {
      const bus = await s.bus()
      const pool = await bus.consume(divided(s, 4), () => {}, s.pool())
      await pool.stop()
      const other = await s.bus()
      for (const changed of [2, 1]) {
        const refused = await refuses('BUS_CONFLICT', () => other.consume(divided(s, changed), () => {}, s.pool()))
        assert.match(refused.message, new RegExp(`partitions is 4 and was asked to be ${changed}\\b`))
      }
      await other.consume(divided(s, 4), () => {}, s.pool())
    }),

    scenario('dividing a consumer that was not divided is refused, and both numbers are named', async (s) => {
      const bus = await s.bus()
      const pool = await bus.consume(s.consumer({ order: 'key' }), () => {}, s.pool())
      await pool.stop()
      const other = await s.bus()
      const refused = await refuses('BUS_CONFLICT', () => other.consume(divided(s, 3), () => {}, s.pool()))
      assert.match(refused.message, /partitions is 1 and was asked to be 3\b/)
    }),

    scenario('a consumer without order by key cannot be divided', async (s) => {
      const bus = await s.bus()
      await refuses('BUS_INVALID_OPTION', () => bus.consume(s.consumer({ partitions: 2 }), () => {}, s.pool()))
      const { consumers } = await bus.inspect()
      assert.deepEqual(
        consumers.filter(({ stream }) => stream === s.main),
        [],
      )
    }),

    scenario('a long name can be divided into as many parts as there may be', async (s) => {
      const bus = await s.bus()
      const name = s.token.padEnd(64, 'x')
      const got = s.collector()
      await bus.consume(divided(s, 64, { name }), got.collect, s.pool())
      for (const key of KEYS) await bus.publish(s.to(key), 1, { key })
      await got.reached(KEYS.length)
      assert.equal(nth(got.attempts, 0), 1)
    }),
  ],
}
