/**
 * Group `delayed`: messages that readers see only after a while.
 */
import assert from 'node:assert/strict'
import { notBefore, nth, range, refuses, until } from './expect.js'
import { type GroupDefinition, scenario, when, without } from './harness.js'

export const delayed: GroupDefinition = {
  name: 'delayed',
  scenarios: [
    when('delayedPublish', 'a delayed message is handled after its delay, not before', async (s) => {
      const bus = await s.bus()
      const got = s.collector()
      await bus.consume(s.consumer(), got.collect, s.pool())
      const began = performance.now()
      await bus.publish(s.to('a'), 'later', { delay: 150 })
      await got.reached(1)
      notBefore(began, 150, 'the delayed message')
      s.inTime(began, 150, 'the delayed message')
    }),

    when('delayedPublish', 'a delayed message has no position yet', async (s) => {
      const bus = await s.bus()
      const receipt = await bus.publish(s.to('a'), 'later', { delay: 50 })
      assert.deepEqual([receipt.sequence, receipt.duplicate, receipt.stream], [0, false, s.main])
    }),

    when('delayedPublish', 'a delayed message arrives as it was published', async (s) => {
      const bus = await s.bus()
      await bus.publish(s.to('a'), Uint8Array.of(0, 255), {
        delay: 30,
        id: s.named('id'),
        key: 'k',
        headers: { tenant: 'vbz' },
      })
      await until(async () => (await s.history(bus)).length === 1, 'the message')
      const message = nth(await s.history(bus), 0)
      assert.deepEqual(
        [message.id, message.key, { ...message.headers }, message.subject],
        [s.named('id'), 'k', { tenant: 'vbz' }, s.to('a')],
      )
      assert.deepEqual(message.data, Uint8Array.of(0, 255))
      assert.ok(message.sequence >= 1)
    }),

    when('delayedPublish', 'a replay does not see a message before its delay has passed', async (s) => {
      const bus = await s.bus()
      await bus.publish(s.to('a'), 'later', { delay: 300 })
      await bus.publish(s.to('a'), 'now')
      assert.deepEqual(await s.stored(bus), ['now'])
      await until(async () => (await s.stored(bus)).length === 2, 'the delayed message')
      assert.deepEqual(await s.stored(bus), ['now', 'later'])
    }),

    when('delayedPublish', 'delayed messages arrive in the order of their times, not of their publishes', async (s) => {
      const bus = await s.bus()
      const got = s.collector()
      await bus.consume(s.consumer(), got.collect, s.pool({ concurrency: 1 }))
      const delays = [600, 80, 340]
      await bus.publishBatch(delays.map((delay) => ({ to: s.to('a'), data: delay, options: { delay } })))
      await got.reached(3)
      assert.deepEqual(got.data, [80, 340, 600])
    }),

    when('delayedPublish', 'a batch may mix delayed and immediate messages', async (s) => {
      const bus = await s.bus()
      const entries = [
        { to: s.to('a'), data: 'later', options: { delay: 100 } },
        { to: s.to('a'), data: 'now' },
      ]
      const [later, now] = await bus.publishBatch(entries)
      assert.ok(later?.sequence === 0 && now !== undefined && now.sequence >= 1)
      await until(async () => (await s.stored(bus)).length === 2, 'the delayed message')
      assert.deepEqual(await s.stored(bus), ['now', 'later'])
    }),

    when('delayedPublish', 'the stream report counts delayed messages until they are due', async (s) => {
      const bus = await s.bus()
      for (const n of range(1, 3)) await bus.publish(s.to('a'), n, { delay: 250 })
      const { delayed, messages } = await s.streamReport(bus)
      assert.deepEqual([delayed, messages], [3, 0])
      await until(async () => (await s.streamReport(bus)).messages === 3, 'the messages')
      assert.equal((await s.streamReport(bus)).delayed, 0)
    }),

    when(
      ['delayedPublish', 'publishDedup'],
      'a repeated id is a duplicate while its message is delayed, and afterwards',
      async (s) => {
        const bus = await s.bus()
        await bus.publish(s.to('a'), 'once', { delay: 80, id: s.named('id') })
        const early = await bus.publish(s.to('a'), 'once', { delay: 80, id: s.named('id') })
        await until(async () => (await s.stored(bus)).length === 1, 'the message')
        const late = await bus.publish(s.to('a'), 'once', { id: s.named('id') })
        assert.deepEqual([early.duplicate, late.duplicate], [true, true])
        assert.deepEqual(await s.stored(bus), ['once'])
      },
    ),

    when('delayedPublish', 'a delay of 0 is no delay', async (s) => {
      const bus = await s.bus()
      assert.ok((await bus.publish(s.to('a'), 1, { delay: 0 })).sequence >= 1)
      assert.deepEqual(await s.stored(bus), [1])
    }),

    when('delayedPublish', 'a delayed message outlives the client that published it', async (s) => {
      const [one, two] = [await s.bus(), await s.bus()]
      await one.publish(s.to('a'), 'later', { delay: 120 })
      await one.close()
      await until(async () => (await s.stored(two)).length === 1, 'the message')
      assert.deepEqual(await s.stored(two), ['later'])
    }),

    when('delayedPublish', 'a delayed message that no stream takes is refused now', async (s) => {
      const bus = await s.bus()
      await refuses('BUS_NO_STREAM', () => bus.publish(s.to('a', 'nowhere'), 1, { delay: 50 }))
    }),

    scenario('a malformed delay is refused, and nothing is stored', async (s) => {
      const bus = await s.bus()
      for (const delay of [Number.NaN, -1, 2 ** 31, '5 parsecs', '1m30s'] as never[]) {
        await refuses('BUS_INVALID_OPTION', () => bus.publish(s.to('a'), 1, { delay }))
      }
      assert.deepEqual(await s.stored(bus), [])
    }),

    without('delayedPublish', 'a publish with a delay is refused, and nothing is stored', async (s) => {
      const bus = await s.bus()
      await refuses('BUS_UNSUPPORTED', () => bus.publish(s.to('a'), 1, { delay: 50 }))
      assert.deepEqual(await s.stored(bus), [])
    }),

    without('delayedPublish', 'a batch with one delayed message is refused as a whole', async (s) => {
      const bus = await s.bus()
      const entries = [
        { to: s.to('a'), data: 1 },
        { to: s.to('a'), data: 2, options: { delay: 50 } },
      ]
      await refuses('BUS_UNSUPPORTED', () => bus.publishBatch(entries))
      assert.deepEqual(await s.stored(bus), [])
    }),
  ],
}
