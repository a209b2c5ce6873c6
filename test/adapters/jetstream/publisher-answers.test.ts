/**
 * What answers to publishes prove, which ones do not come, and that the publisher tells the truth about each message. Titles begin with
 * the code of the fact.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { notBefore, nth, pass, range, until } from '../../../testing/suite/expect.js'
import { type NatsServer, startNats } from '../../servers/nats-server.js'
import { endOf, Publishing } from './publishing.js'

describe.each(['2.15', '2.10'] as const)('answers to publishes, server %s', (version) => {
  let server: NatsServer
  beforeAll(async () => {
    server = await startNats({ version })
  })
  afterAll(async () => {
    await server.stop()
  })

  describe('what an answer proves', () => {
    it('JS-P1: an acceptance names the stream and the position of the message', async () => {
      await using desk = await Publishing.open(server)
      const outcomes = await desk.send(desk.batch('a', 'b'))
      const accepted = { status: 'accepted', stream: desk.stream, duplicate: false }
      expect(outcomes).toEqual([
        { ...accepted, sequence: 1 },
        { ...accepted, sequence: 2 },
      ])
      expect(await desk.texts()).toEqual(['a', 'b'])
    })

    it.each([
      ['of another stream', '{"stream":"elsewhere","seq":1}'],
      ['of no stream', '{"seq":1}'],
      ['with position 0', '{"stream":"$","seq":0}'],
      ['with a position that no number can hold', '{"stream":"$","seq":9007199254740993}'],
      ['with a negative position', '{"stream":"$","seq":-1}'],
      ['with a position that is text', '{"stream":"$","seq":"1"}'],
      ['that is no JSON', '+OK'],
      ['that is null', 'null'],
      ['that is cut off', '{"stream":"$","seq":1'],
      ['that is empty', ''],
    ])('JS-P1: an answer %s leaves the outcome unknown', async (_, answer) => {
      await using desk = await Publishing.open(server, { isMissing: true })
      desk.answer(desk.to('a'), () => answer.replace('$', desk.stream))
      await desk.raw.flush()
      expect(endOf(await desk.one('a'))).toBe('unknown BUS_UNAVAILABLE')
    })

    it.each([
      ['{"stream":"$","seq":41}', false],
      ['{"stream":"$", "seq": 41}', false],
      ['{"stream":"$","domain":"hub","seq":41}', false],
      ['{"stream":"$","seq":41,"duplicate": true}', true],
    ])('JS-P1: an answer as servers write it is proof: %s', async (answer, duplicate) => {
      await using desk = await Publishing.open(server, { isMissing: true })
      desk.answer(desk.to('a'), () => answer.replace('$', desk.stream))
      await desk.raw.flush()
      expect(await desk.one('a')).toEqual({ status: 'accepted', stream: desk.stream, sequence: 41, duplicate })
    })

    it('JS-P1: another stream that took over the subject refuses the message', async () => {
      await using desk = await Publishing.open(server, { isMissing: true })
      await desk.jsm.streams.add({ name: `${desk.stream}x`, subjects: [desk.to('>')] })
      expect(endOf(await desk.one('a'))).toBe('rejected BUS_NO_STREAM')
      expect((await desk.jsm.streams.info(`${desk.stream}x`)).state.messages).toBe(0)
    })
  })

  describe('answers that do not come', () => {
    it('JS-P2: a message whose answers never come is unknown when its time is up, and may be stored', async () => {
      await using desk = await Publishing.open(server)
      await desk.one('first')
      desk.proxy.stall('toClient')
      const sent = performance.now()
      expect(endOf(await desk.one('a', {}, 700))).toBe('unknown BUS_TIMEOUT')
      notBefore(sent, 700, 'the outcome')
      expect(performance.now() - sent).toBeLessThan(1400)
      expect(await desk.texts()).toEqual(['first', 'a'])
    })

    it('JS-P2: an overdue message is sent again with the same id, stored once, and no duplicate for its caller', async () => {
      await using desk = await Publishing.open(server)
      const seen = await desk.counter(desk.to('a'))
      desk.proxy.stall('toClient')
      const outcome = desk.one('a', {}, 3000)
      await until(async () => (await seen()) === 2, 'the second attempt')
      desk.proxy.pass()
      expect(await outcome).toEqual({ status: 'accepted', stream: desk.stream, sequence: 1, duplicate: false })
      expect(await desk.texts()).toEqual(['a'])
    })

    it('JS-P2: a message whose answer was lost with the link is sent again and stored once', async () => {
      await using desk = await Publishing.open(server)
      desk.proxy.stall('toClient')
      const own = desk.one('fresh')
      const callers = desk.one('callers', { id: `${desk.stream}-id` })
      await desk.untilKept(2)
      desk.proxy.cut()
      await desk.untilLost()
      desk.proxy.pass()
      const accepted = { status: 'accepted', stream: desk.stream }
      expect(await own).toEqual({ ...accepted, sequence: 1, duplicate: false })
      // With an id of the caller's own, nobody can tell this attempt's predecessor from somebody else's.
      expect(await callers).toEqual({ ...accepted, sequence: 2, duplicate: true })
      expect(await desk.texts()).toEqual(['fresh', 'callers'])
    })

    it('JS-P2: a message that the stream would not recognise is not sent twice', async () => {
      await using desk = await Publishing.open(server, { stream: { dedupWindow: 0 } })
      const seen = await desk.counter(desk.to('a'))
      desk.proxy.stall('toClient')
      const outcome = desk.one('a')
      await desk.untilKept(1)
      desk.proxy.cut()
      expect(endOf(await outcome)).toBe('unknown BUS_UNAVAILABLE')
      desk.proxy.pass()
      expect(endOf(await desk.one('b'))).toBe('accepted')
      expect([await seen(), await desk.texts()]).toEqual([2, ['a', 'b']])
    })

    it('JS-P2: a message is not sent again when the window may have passed meanwhile', async () => {
      await using desk = await Publishing.open(server, { stream: { dedupWindow: 200 } })
      desk.proxy.stall('toClient')
      const outcome = desk.one('a')
      await desk.untilKept(1)
      await pass(250)
      desk.proxy.cut()
      await desk.untilLost()
      desk.proxy.pass()
      expect(endOf(await outcome)).toBe('unknown BUS_UNAVAILABLE')
      expect(endOf(await desk.one('b'))).toBe('accepted')
      expect(await desk.texts()).toEqual(['a', 'b'])
    })

    it('JS-P4: a publish ends within its time limit when the server stands still, and tells the truth', async () => {
      await using desk = await Publishing.open(server)
      await server.pause()
      const sent = performance.now()
      const earlier = [desk.one('a', {}, 300), desk.one('b', {}, 900)]
      expect(endOf(await nth(earlier, 0))).toBe('unknown BUS_TIMEOUT')
      // As a rule it waits behind the other one and is never sent; a process that was held up itself may have sent it.
      const last = endOf(await desk.one('c', {}, 200))
      expect(['rejected BUS_UNAVAILABLE', 'unknown BUS_TIMEOUT']).toContain(last)
      expect(endOf(await nth(earlier, 1))).toBe('unknown BUS_TIMEOUT')
      expect(performance.now() - sent).toBeLessThan(10_000)
      server.resume()
      expect(endOf(await desk.one('d', {}, 20_000))).toBe('accepted')
      const texts = await desk.texts()
      expect(texts.at(-1)).toBe('d')
      if (last === 'rejected BUS_UNAVAILABLE') expect(texts).not.toContain('c')
    })
  })

  describe('nobody answers', () => {
    it('JS-P3: a stream that is not on the server is a definite refusal, long before the time is up', async () => {
      await using desk = await Publishing.open(server, { isMissing: true })
      const sent = performance.now()
      const outcomes = await desk.send(desk.batch('a', 'b', 'c'), 30_000)
      expect(outcomes.map(endOf)).toEqual(range(1, 3).map(() => 'rejected BUS_NO_STREAM'))
      expect(performance.now() - sent).toBeLessThan(5000)
    })

    it('JS-P3: a missing stream is found out behind a listener too, which hides that nobody stores the message', async () => {
      await using desk = await Publishing.open(server, { isMissing: true })
      await desk.counter(desk.to('a'))
      // The silence might have been an answer that was lost, so it is not known whether it was stored before the stream went.
      expect(endOf(await desk.one('a', {}, 3000))).toBe('unknown BUS_NO_STREAM')
    })

    it('JS-P3: a stream that takes other subjects now refuses this one and takes the others', async () => {
      await using desk = await Publishing.open(server)
      await desk.jsm.streams.update(desk.stream, { subjects: [desk.to('b')] })
      const batch = [desk.outgoing('a'), desk.outgoing('b', { subject: desk.to('b') })]
      expect((await desk.send(batch)).map(endOf)).toEqual(['rejected BUS_NO_STREAM', 'accepted'])
    })

    it('JS-P3: a stream that was deleted and made again is published to', async () => {
      await using desk = await Publishing.open(server)
      const { config } = await desk.jsm.streams.info(desk.stream)
      await desk.jsm.streams.delete(desk.stream)
      expect(endOf(await desk.one('a'))).toBe('rejected BUS_NO_STREAM')
      await desk.jsm.streams.add(config)
      expect(endOf(await desk.one('b'))).toBe('accepted')
    })

    it('JS-P3: while nobody can tell whether the stream is there, the message waits, and then is not stored', async () => {
      const bare = await startNats({ version, jetStream: false })
      try {
        await using desk = await Publishing.open(bare, { isMissing: true })
        const sent = performance.now()
        expect(endOf(await desk.one('a', {}, 400))).toBe('rejected BUS_UNAVAILABLE')
        notBefore(sent, 400, 'the outcome')
      } finally {
        await bare.stop()
      }
    })

    it("JS-P3: somebody else's stream is found by asking once, and forgotten when it proves wrong", async () => {
      await using desk = await Publishing.open(server, { isForeign: true })
      const asked = await desk.counter('$JS.API.STREAM.NAMES')
      for (const sequence of range(1, 3)) expect(await desk.one('a')).toMatchObject({ sequence })
      expect(await asked()).toBe(1)
      await desk.jsm.streams.delete(desk.stream)
      await desk.jsm.streams.add({ name: `${desk.stream}x`, subjects: [desk.to('>')] })
      expect(endOf(await desk.one('a'))).toBe('rejected BUS_NO_STREAM')
      expect(await desk.one('a')).toMatchObject({ stream: `${desk.stream}x`, sequence: 1 })
    })

    it('JS-P3: a subject that no stream takes is refused, and the rest of its batch is stored', async () => {
      await using desk = await Publishing.open(server)
      const batch = [desk.outgoing('a'), desk.outgoing('b', { subject: `x${desk.stream}` }), desk.outgoing('c')]
      expect((await desk.send(batch)).map(endOf)).toEqual(['accepted', 'rejected BUS_NO_STREAM', 'accepted'])
      expect(await desk.texts()).toEqual(['a', 'c'])
    })
  })

  describe('a first attempt that is still being stored', () => {
    const inProcess = '{"error":{"code":409,"err_code":10158,"description":"duplicate message id is in process"}}'

    it('JS-P5: the message is sent again until the stream knows', async () => {
      await using desk = await Publishing.open(server, { isMissing: true })
      const { stream } = desk
      const known = `{"stream":"${stream}","seq":7,"duplicate": true}`
      const asked = desk.answer(desk.to('a'), (times) => (times < 3 ? inProcess : known))
      await desk.raw.flush()
      expect(await desk.one('a')).toEqual({ status: 'accepted', stream, sequence: 7, duplicate: false })
      expect(asked.asked).toBe(3)
    })

    it('JS-P5: JS-D6: the outcome is unknown when the stream never knows', async () => {
      await using desk = await Publishing.open(server, { isMissing: true })
      desk.answer(desk.to('a'), () => inProcess)
      await desk.raw.flush()
      expect(endOf(await desk.one('a', {}, 400))).toMatch(/^unknown/)
    })
  })
})
