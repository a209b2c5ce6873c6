/**
 * Group `limits`: count, bytes, age and message size of a stream, exact on both sides, and what `discard` does at them.
 */
import assert from 'node:assert/strict'
import { NotAcceptedError } from '../../src/errors.js'
import { messageBytes, withHeaders } from '../../src/message.js'
import { notBefore, nth, pass, range, refuses, until } from './expect.js'
import { type GroupDefinition, scenario, when, without } from './harness.js'

export const limits: GroupDefinition = {
  name: 'limits',
  scenarios: [
    scenario("a stream with discard 'old' keeps exactly its newest messages", async (s) => {
      const bus = await s.bus({ stream: { maxMessages: 3, discard: 'old' } })
      await s.publish(bus, 'a', [1, 2, 3])
      assert.deepEqual(await s.stored(bus), [1, 2, 3])
      await s.publish(bus, 'a', [4, 5])
      assert.deepEqual(await s.stored(bus), [3, 4, 5])
      assert.equal((await s.streamReport(bus)).messages, 3)
    }),

    scenario("a full stream with discard 'new' refuses the next message and keeps what it has", async (s) => {
      const bus = await s.bus({ stream: { maxMessages: 3, discard: 'new' } })
      await s.publish(bus, 'a', [1, 2, 3])
      const error = await refuses('BUS_UNAVAILABLE', () => bus.publish(s.to('a'), 4))
      assert.ok(error instanceof NotAcceptedError && error.retryable)
      assert.deepEqual(await s.stored(bus), [1, 2, 3])
    }),

    scenario('a stream that does not say what to discard refuses new messages when it is full', async (s) => {
      const bus = await s.bus({ stream: { maxMessages: 1 } })
      await s.publish(bus, 'a', [1])
      await refuses('BUS_UNAVAILABLE', () => bus.publish(s.to('a'), 2))
      assert.deepEqual(await s.stored(bus), [1])
    }),

    scenario('of a batch that does not fit, the beginning is stored and the rest is refused one by one', async (s) => {
      const port = await s.port({ maxMessages: 2 })
      const outcomes = await port.publish('a', 'b', 'c', 'd')
      assert.deepEqual(
        outcomes.map((outcome) => outcome.status),
        ['accepted', 'accepted', 'rejected', 'rejected'],
      )
      assert.deepEqual(await port.texts(), ['a', 'b'])
    }),

    when('remove', 'a full stream takes messages again once there is room', async (s) => {
      const bus = await s.bus({ stream: { maxMessages: 2 } })
      await s.publish(bus, 'a', [1, 2])
      await refuses('BUS_UNAVAILABLE', () => bus.publish(s.to('a'), 3, { id: s.named('id') }))
      const { adapter } = await s.port({ maxMessages: 2 })
      await adapter.remove(s.main, [nth(await s.history(bus), 0).sequence])
      assert.equal((await bus.publish(s.to('a'), 3, { id: s.named('id') })).duplicate, false)
      assert.deepEqual(await s.stored(bus), [2, 3])
    }),

    scenario("a stream with maxBytes and discard 'old' drops the oldest and stays within its bytes", async (s) => {
      const bus = await s.bus({ stream: { maxBytes: 5000, discard: 'old' } })
      for (const n of range(1, 8)) await bus.publish(s.to('a'), Buffer.alloc(1000, n))
      const kept = (await s.stored(bus)).map((data) => (data as Uint8Array)[0])
      assert.ok(kept.length >= 3 && kept.length <= 5, `${kept.length} messages of 1,000 bytes are kept in 5,000`)
      assert.deepEqual(kept, range(9 - kept.length, 8))
      assert.ok((await s.streamReport(bus)).bytes <= 5000)
    }),

    scenario("a stream with maxBytes and discard 'new' refuses what does not fit", async (s) => {
      const bus = await s.bus({ stream: { maxBytes: 3000, discard: 'new' } })
      await bus.publish(s.to('a'), Buffer.alloc(2000))
      await refuses('BUS_UNAVAILABLE', () => bus.publish(s.to('a'), Buffer.alloc(2000)))
      assert.equal((await s.stored(bus)).length, 1)
    }),

    scenario('messages over maxAge are removed, and not before', async (s) => {
      const bus = await s.bus({ stream: { maxAge: 300, dedupWindow: 100 } })
      const began = performance.now()
      await s.publish(bus, 'a', [1, 2])
      const stored = performance.now()
      await until(async () => (await s.stored(bus)).length === 0, 'the messages to age')
      notBefore(began, 300, 'the removal')
      s.inTime(stored, 300, 'the removal')
    }),

    scenario('a message exactly at maxMessageBytes is accepted, one byte more is refused', async (s) => {
      const bus = await s.bus({ stream: { maxMessageBytes: 512 } })
      const exact = 'x'.repeat(510)
      await bus.publish(s.to('a'), exact)
      const error = await refuses('BUS_TOO_LARGE', () => bus.publish(s.to('a'), `${exact}x`))
      assert.ok(error instanceof NotAcceptedError && !error.retryable)
      assert.deepEqual(await s.stored(bus), [exact])
    }),

    scenario('headers count against maxMessageBytes', async (s) => {
      const port = await s.port({ maxMessageBytes: 300 })
      const headers = withHeaders({}, { note: 'n'.repeat(100) })
      const room = 300 - messageBytes({ payload: new Uint8Array(0), headers })
      const outcomes = await port.send([
        port.outgoing('x'.repeat(room), { headers }),
        port.outgoing('x'.repeat(room + 1), { headers }),
      ])
      assert.deepEqual(
        outcomes.map((outcome) => outcome.status),
        ['accepted', 'rejected'],
      )
      const refused = nth(outcomes, 1)
      assert.ok(refused.status === 'rejected' && refused.error.code === 'BUS_TOO_LARGE')
    }),

    scenario('messages that a limit dropped are not handed to a consumer that comes later', async (s) => {
      const bus = await s.bus({ stream: { maxMessages: 2, discard: 'old' } })
      await s.publish(bus, 'a', range(1, 5))
      const got = s.collector()
      await bus.consume(s.consumer(), got.collect, s.pool({ concurrency: 1 }))
      await s.idle(bus)
      assert.deepEqual(got.data, [4, 5])
    }),

    scenario('a consumer that is behind when a limit drops messages goes on with what is left', async (s) => {
      const bus = await s.bus({ stream: { maxMessages: 3, discard: 'old' } })
      const got = s.collector()
      const gate = s.gate()
      await bus.consume(
        s.consumer(),
        async (message) => {
          got.collect(message)
          await gate.enter()
        },
        s.pool({ concurrency: 1, prefetch: 0 }),
      )
      await s.publish(bus, 'a', [1])
      await gate.reached(1)
      await s.publish(bus, 'a', range(2, 8))
      gate.open()
      await s.idle(bus)
      assert.deepEqual(got.data, [1, 6, 7, 8])
    }),

    scenario('the positions of messages go on after others were dropped', async (s) => {
      const bus = await s.bus({ stream: { maxMessages: 1, discard: 'old' } })
      await s.publish(bus, 'a', [1, 2, 3])
      const { firstSequence, lastSequence } = await s.streamReport(bus)
      const [message] = await s.history(bus)
      assert.deepEqual([firstSequence, lastSequence], [message?.sequence, message?.sequence])
      assert.ok(lastSequence >= 3)
    }),

    scenario('a lower limit applies to what is stored already', async (s) => {
      const port = await s.port()
      await port.publish('a', 'b', 'c', 'd')
      await port.provision(s.mainStream({ maxMessages: 2, discard: 'old' }))
      await until(async () => (await port.texts()).length === 2, 'the stream to shrink')
      assert.deepEqual(await port.texts(), ['c', 'd'])
    }),

    scenario('a higher limit makes room in a full stream', async (s) => {
      const port = await s.port({ maxMessages: 1 })
      await port.publish('a', 'refused')
      await port.provision(s.mainStream({ maxMessages: 2 }))
      await port.publish('b')
      assert.deepEqual(await port.texts(), ['a', 'b'])
    }),

    when('remove', 'removing messages takes those and no others, and tells how many were there', async (s) => {
      const port = await s.port()
      await port.publish('a', 'b', 'c')
      const sequences = (await port.read()).map((message) => message.sequence)
      const middle = nth(sequences, 1)
      assert.equal(await port.adapter.remove(s.main, [middle, nth(sequences, 2) + 50]), 1)
      assert.equal(await port.adapter.remove(s.main, [middle]), 0)
      assert.deepEqual(await port.texts(), ['a', 'c'])
    }),

    when(
      'remove',
      'a message that is removed while its handler runs is not handled again when the handler fails',
      async (s) => {
        const bus = await s.bus()
        const gate = s.gate()
        const got = s.collector()
        await s.publish(bus, 'a', ['removed'])
        await bus.consume(
          s.consumer(),
          async (message, context) => {
            got.collect(message, context)
            await gate.enter()
            throw new Error('too late')
          },
          s.pool({ retry: { attempts: 3, backoff: [10], jitter: 0 } }),
        )
        await gate.reached(1)
        const { adapter } = await s.port()
        await adapter.remove(s.main, [nth(got.messages, 0).sequence])
        gate.open()
        await s.idle(bus)
        await pass(30)
        assert.deepEqual([got.attempts, await s.letters(bus)], [[1], []])
      },
    ),

    without('remove', 'removing messages is refused', async (s) => {
      const port = await s.port()
      await port.publish('a')
      await refuses('BUS_UNSUPPORTED', () => port.adapter.remove(s.main, [1]))
      assert.deepEqual(await port.texts(), ['a'])
    }),
  ],
}
