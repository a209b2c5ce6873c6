/**
 * Group `request`: asking and answering.
 */
import assert from 'node:assert/strict'
import { notBefore, range, refuses } from './expect.js'
import { type GroupDefinition, when, without } from './harness.js'

export const request: GroupDefinition = {
  name: 'request',
  scenarios: [
    when('request', 'a request is answered by a responder on another client', async (s) => {
      const [asker, answerer] = [await s.bus(), await s.bus()]
      await answerer.respond(s.to('price', 'ask'), (message) => ({ answer: message.data }))
      assert.deepEqual(await asker.request(s.to('price', 'ask'), { item: 1 }), { answer: { item: 1 } })
    }),

    when('request', 'a responder sees the subject and the headers of the request', async (s) => {
      const bus = await s.bus()
      await bus.respond(s.to('*', 'ask'), (message) => [message.subject, { ...message.headers }])
      const answer = await bus.request(s.to('price', 'ask'), null, { headers: { tenant: 'vbz' } })
      assert.deepEqual(answer, [s.to('price', 'ask'), { tenant: 'vbz' }])
    }),

    when('request', "a request to a stream's subject is refused, and is not stored", async (s) => {
      const bus = await s.bus()
      await refuses('BUS_CONFLICT', () => bus.request(s.to('a'), 1))
      assert.deepEqual(await s.stored(bus), [])
    }),

    when('request', 'bytes travel both ways as they were', async (s) => {
      const bus = await s.bus()
      await bus.respond(s.to('echo', 'ask'), (message) => message.data)
      assert.deepEqual(await bus.request(s.to('echo', 'ask'), Uint8Array.of(0, 255)), Uint8Array.of(0, 255))
    }),

    when('request', 'a responder that returns nothing answers null', async (s) => {
      const bus = await s.bus()
      await bus.respond(s.to('quiet', 'ask'), () => {})
      assert.equal(await bus.request(s.to('quiet', 'ask'), 1), null)
    }),

    when('request', 'a request that nobody responds to is refused without waiting for its timeout', async (s) => {
      const bus = await s.bus()
      const began = performance.now()
      await refuses('BUS_NOT_FOUND', () => bus.request(s.to('nobody', 'ask'), 1, { timeout: '1m' }))
      s.inTime(began, 0, 'the refusal')
    }),

    when('request', 'a request without an answer fails after its timeout, not before', async (s) => {
      const bus = await s.bus()
      const gate = s.gate()
      await bus.respond(s.to('slow', 'ask'), gate.enter)
      const began = performance.now()
      await refuses('BUS_TIMEOUT', () => bus.request(s.to('slow', 'ask'), 1, { timeout: 80 }))
      notBefore(began, 80, 'the timeout')
      s.inTime(began, 80, 'the timeout')
    }),

    when('request', 'an answer that comes too late harms nobody', async (s) => {
      const bus = await s.bus()
      const gate = s.gate()
      await bus.respond(s.to('slow', 'ask'), async (message) => {
        if (message.data === 1) await gate.enter()
        return message.data
      })
      await refuses('BUS_TIMEOUT', () => bus.request(s.to('slow', 'ask'), 1, { timeout: 50 }))
      gate.open()
      assert.equal(await bus.request(s.to('slow', 'ask'), 2), 2)
    }),

    when('request', 'responders on one pattern share the requests: each is answered once', async (s) => {
      const [one, two, asker] = [await s.bus(), await s.bus(), await s.bus()]
      const handled: unknown[] = []
      for (const bus of [one, two]) {
        await bus.respond(s.to('work', 'ask'), (message) => {
          handled.push(message.data)
          return message.data
        })
      }
      const answers = await Promise.all(range(1, 40).map((n) => asker.request(s.to('work', 'ask'), n)))
      assert.deepEqual(answers, range(1, 40))
      assert.deepEqual(
        handled.toSorted((a, b) => Number(a) - Number(b)),
        range(1, 40),
      )
    }),

    when('request', 'requests at the same time each get their own answer', async (s) => {
      const bus = await s.bus()
      await bus.respond(s.to('*', 'ask'), async (message) => {
        if (Number(message.data) % 2) await new Promise(setImmediate)
        return `${message.subject} ${message.data}`
      })
      const answers = await Promise.all(range(1, 50).map((n) => bus.request(s.to(`n${n}`, 'ask'), n)))
      assert.deepEqual(
        answers,
        range(1, 50).map((n) => `${s.to(`n${n}`, 'ask')} ${n}`),
      )
    }),

    when('request', 'a responder that throws fails its request and answers the next', async (s) => {
      const bus = await s.bus()
      await bus.respond(s.to('moody', 'ask'), (message) => {
        if (message.data === 'bad') throw new Error('I cannot do that')
        return 'fine'
      })
      const error = await refuses('BUS_UNAVAILABLE', () => bus.request(s.to('moody', 'ask'), 'bad'))
      assert.match(error.message, /I cannot do that/)
      assert.equal(await bus.request(s.to('moody', 'ask'), 'good'), 'fine')
    }),

    when('request', "a responder's error reaches the asker without its secrets", async (s) => {
      const bus = await s.bus()
      await bus.respond(s.to('leaky', 'ask'), () => {
        throw new Error('cannot reach postgres://u:secret@h/db')
      })
      const error = await refuses('BUS_UNAVAILABLE', () => bus.request(s.to('leaky', 'ask'), 1))
      assert.doesNotMatch(error.message, /secret/)
    }),

    when('request', 'a stopped responder is asked no more', async (s) => {
      const bus = await s.bus()
      const stop = await bus.respond(s.to('price', 'ask'), () => 1)
      assert.equal(await bus.request(s.to('price', 'ask'), 0), 1)
      await stop()
      await refuses('BUS_NOT_FOUND', () => bus.request(s.to('price', 'ask'), 0))
    }),

    when('request', 'a malformed request is refused', async (s) => {
      const bus = await s.bus()
      await bus.respond(s.to('>', 'ask'), () => 1)
      await refuses('BUS_INVALID_SUBJECT', () => bus.request(s.to('*', 'ask'), 1))
      await refuses('BUS_INVALID_MESSAGE', () => bus.request(s.to('a', 'ask'), undefined))
      await refuses('BUS_INVALID_OPTION', () => bus.request(s.to('a', 'ask'), 1, { timeout: 0 }))
    }),

    without('request', 'requests and responders are refused', async (s) => {
      const bus = await s.bus()
      await refuses('BUS_UNSUPPORTED', () => bus.request(s.to('a', 'ask'), 1))
      await refuses('BUS_UNSUPPORTED', () => bus.respond(s.to('a', 'ask'), () => 1))
    }),
  ],
}
