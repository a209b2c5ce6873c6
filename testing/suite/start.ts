/**
 * Group `start`: where a consumer begins when it is first created, and that it begins there only once.
 */
import assert from 'node:assert/strict'
import type { StartAt } from '../../src/topology.js'
import { nth, pass, range, refuses, until } from './expect.js'
import { type GroupDefinition, scenario, when, without } from './harness.js'
import type { Scene } from './scene.js'

export const start: GroupDefinition = {
  name: 'start',
  scenarios: [
    scenario("from 'all' begins with the oldest message", async (s) => {
      assert.deepEqual(await handledFrom(s, () => 'all'), ['a1', 'b1', 'a2', 'b2', 'later'])
    }),

    scenario("from 'new' begins with what is published after the consumer was created", async (s) => {
      assert.deepEqual(await handledFrom(s, () => 'new'), ['later'])
    }),

    scenario("from 'last' begins with the newest message", async (s) => {
      assert.deepEqual(await handledFrom(s, () => 'last'), ['b2', 'later'])
    }),

    when('lastPerSubject', "from 'last-per-subject' begins with the newest message of each subject", async (s) => {
      assert.deepEqual(await handledFrom(s, () => 'last-per-subject'), ['a2', 'b2', 'later'])
    }),

    without('lastPerSubject', "from 'last-per-subject' is refused", async (s) => {
      const bus = await s.bus()
      await refuses('BUS_UNSUPPORTED', () => bus.consume(s.consumer({ from: 'last-per-subject' }), () => {}, s.pool()))
    }),

    scenario('from { sequence } begins with that message', async (s) => {
      assert.deepEqual(await handledFrom(s, (sequences) => ({ sequence: nth(sequences, 2) })), ['a2', 'b2', 'later'])
    }),

    scenario('from { sequence } past the end waits for that position', async (s) => {
      const handled = await handledFrom(s, (sequences) => ({ sequence: nth(sequences, -1) + 1 }))
      assert.deepEqual(handled, ['later'])
    }),

    scenario('from { time } begins with the first message of that time or later', async (s) => {
      const bus = await s.bus()
      await s.publish(bus, 'a', ['old'])
      await pass(15)
      await s.publish(bus, 'a', ['young', 'younger'])
      const time = new Date(nth(await s.history(bus), 1).time)
      const got = s.collector()
      await bus.consume(s.consumer({ from: { time } }), got.collect, s.pool({ concurrency: 1 }))
      await s.idle(bus)
      assert.deepEqual(got.data, ['young', 'younger'])
    }),

    scenario("from 'last' with a filter begins with the newest message that the filter takes", async (s) => {
      const bus = await s.bus()
      await s.publish(bus, 'a', ['a1', 'a2'])
      await s.publish(bus, 'b', ['b1'])
      const got = s.collector()
      await bus.consume(s.consumer({ from: 'last', filter: s.to('a') }), got.collect, s.pool())
      await s.idle(bus)
      assert.deepEqual(got.data, ['a2'])
    }),

    scenario('a start counts only when the consumer is first created', async (s) => {
      const bus = await s.bus()
      await s.publish(bus, 'a', [1])
      const first = await bus.consume(s.consumer({ from: 'new' }), () => {}, s.pool())
      await first.stop()
      await s.publish(bus, 'a', [2, 3])
      const got = s.collector()
      await bus.consume(s.consumer({ from: 'new' }), got.collect, s.pool({ concurrency: 1 }))
      await s.idle(bus)
      assert.deepEqual(got.data, [2, 3])
    }),

    when('originalReplay', "replay 'original' keeps the gaps between the original times", async (s) => {
      const bus = await s.bus()
      await s.publish(bus, 'a', [1])
      await pass(400)
      await s.publish(bus, 'a', [2])
      const got = s.collector()
      await bus.consume(s.consumer({ replay: 'original' }), got.collect, s.pool())
      await got.reached(2)
      const handledGapMs = nth(got.entries, 1).at - nth(got.entries, 0).at
      assert.deepEqual(got.data, [1, 2])
      // The first hand-over may be late by itself, which shortens the gap that the handler sees; so may the way to the backend that paces.
      assert.ok(handledGapMs >= 200, `published 400 ms apart, handled ${handledGapMs.toFixed(1)} ms apart`)
    }),

    without('originalReplay', "replay 'original' is refused", async (s) => {
      const bus = await s.bus()
      await refuses('BUS_UNSUPPORTED', () => bus.consume(s.consumer({ replay: 'original' }), () => {}, s.pool()))
    }),

    scenario("replay 'instant' hands old messages out without their gaps", async (s) => {
      const bus = await s.bus()
      await s.publish(bus, 'a', [1])
      await pass(200)
      await s.publish(bus, 'a', range(2, 4))
      const got = s.collector()
      await bus.consume(s.consumer({ replay: 'instant' }), got.collect, s.pool({ concurrency: 1 }))
      await got.reached(4)
      const spreadMs = nth(got.entries, 1).at - nth(got.entries, 0).at
      assert.ok(spreadMs < 150, `the second message came ${spreadMs.toFixed(0)} ms after the first`)
    }),
  ],
}

/** Publishes a1, b1, a2, b2, creates a consumer with that start, publishes `later`, and returns what was handled. */
async function handledFrom(s: Scene, from: (sequences: readonly number[]) => StartAt): Promise<unknown[]> {
  const bus = await s.bus()
  const sequences: number[] = []
  for (const text of ['a1', 'b1', 'a2', 'b2'])
    sequences.push((await bus.publish(s.to(text.slice(0, 1)), text)).sequence)
  const got = s.collector()
  await bus.consume(s.consumer({ from: from(sequences) }), got.collect, s.pool({ concurrency: 1 }))
  await bus.publish(s.to('c'), 'later')
  await until(() => got.data.includes('later'), 'the later message')
  await s.idle(bus)
  return got.data
}
