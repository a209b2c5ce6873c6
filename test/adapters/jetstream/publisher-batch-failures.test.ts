/**
 * Atomic batches that fail, on a server that syncs always: each message's outcome is true whatever becomes of its batch. Titles begin
 * with the code of the fact, where there is one.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { REDRIVE_HEADER, SPARE_BYTES, withHeaders } from '../../../src/message.js'
import { nth, range, until } from '../../../testing/suite/expect.js'
import { type NatsServer, startNats } from '../../servers/nats-server.js'
import { ALWAYS, accepted, committed, countOf, openDesk, PATIENT_MS, sendAll, sequencesOf, texts } from './batching.js'
import { endOf } from './publishing.js'

describe('atomic batches on a server that syncs always', () => {
  let server: NatsServer
  beforeAll(async () => {
    server = await startNats({ version: '2.15', ...ALWAYS })
  })
  afterAll(async () => {
    await server.stop()
  })

  describe('that are refused', () => {
    it('JS-P7: for one duplicate are sent one by one: the duplicate is told, the others are stored', async () => {
      await using desk = await openDesk(server)
      await desk.one('7', { id: 'seven', isFresh: true })
      const batch = desk.batch(...texts(20))
      batch[6] = desk.outgoing('7', { id: 'seven', isFresh: true })
      const outcomes = await desk.send(batch, PATIENT_MS)
      expect(outcomes.map(endOf)).toEqual(accepted(20))
      expect(nth(outcomes, 6)).toMatchObject({ sequence: 1, duplicate: true })
      expect(outcomes.filter((outcome) => outcome.status === 'accepted' && outcome.duplicate)).toHaveLength(1)
      expect(await desk.texts()).toEqual(['7', ...texts(6), ...texts(20).slice(7)])
      expect(committed(desk)).toEqual([20])
      // What goes alone waits for a batch, and is not overtaken by its repetitions either.
      const again = desk.batch(...texts(20, 'again '))
      again[6] = desk.outgoing('7', { id: 'seven', isFresh: true })
      const behind = desk.outgoing('behind', { id: `${desk.stream}-behind` })
      expect((await desk.send([...again, behind], PATIENT_MS)).map(endOf)).toEqual(accepted(21))
      expect((await desk.texts()).at(-1)).toBe('behind')
      // The next one is a batch again.
      await sendAll(desk, 20)
      expect(committed(desk)).toEqual([20, 20, 20])
    })

    it('by a stream that somebody else made without them are sent one by one, and no other is tried', async () => {
      await using desk = await openDesk(server, { isForeign: true, isMissing: true })
      await desk.jsm.streams.add({ name: desk.stream, subjects: [desk.to('>')] })
      for (const at of [0, 1, 2]) expect(sequencesOf(await sendAll(desk, 20))).toEqual(range(20 * at + 1, 20 * at + 20))
      expect(committed(desk)).toEqual([20])
      expect(await desk.texts()).toEqual([...texts(20), ...texts(20), ...texts(20)])
    })

    it('by a full stream store what there is room for, and refuse the rest', async () => {
      await using desk = await openDesk(server, { stream: { maxMessages: 10, discard: 'new' } })
      const outcomes = await sendAll(desk, 20)
      expect(outcomes.map(endOf)).toEqual([...accepted(10), ...range(1, 10).map(() => 'rejected BUS_UNAVAILABLE')])
      expect(await desk.texts()).toEqual(texts(10))
    })

    it('because a subject of theirs has no stream any more refuse that message and store the others', async () => {
      await using desk = await openDesk(server)
      await desk.jsm.streams.update(desk.stream, { subjects: [desk.to('a')] })
      const batch = desk.batch(...texts(20))
      batch[4] = desk.outgoing('5', { subject: desk.to('gone') })
      batch[19] = desk.outgoing('20', { subject: desk.to('gone') })
      const expected = texts(20).map((text) => (text === '5' || text === '20' ? 'rejected BUS_NO_STREAM' : 'accepted'))
      expect((await desk.send(batch, PATIENT_MS)).map(endOf)).toEqual(expected)
      expect(await desk.texts()).toEqual(texts(20).filter((text) => text !== '5' && text !== '20'))
    })

    it('because a subject of theirs is forbidden refuse those messages and store the others', async () => {
      const config = `authorization { users: [
        { user: u, password: p, permissions: { publish: { deny: ["*.b"] }, subscribe: ">" } }, { user: admin, password: p }] }
        no_auth_user: admin`
      const strict = await startNats({ version: '2.15', ...ALWAYS, config })
      try {
        await using desk = await openDesk(strict, { user: 'u', password: 'p' })
        const batch = desk.batch(...texts(20))
        for (const at of [3, 19]) batch[at] = desk.outgoing('no', { subject: desk.to('b') })
        const sent = performance.now()
        const outcomes = await desk.send(batch, PATIENT_MS)
        expect(performance.now() - sent).toBeLessThan(PATIENT_MS / 4)
        expect(outcomes.map(endOf).filter((end) => end !== 'accepted')).toEqual([
          'rejected BUS_AUTH',
          'rejected BUS_AUTH',
        ])
        expect(await desk.texts()).toEqual(texts(20).filter((_, at) => at !== 3 && at !== 19))
      } finally {
        await strict.stop()
      }
    })

    it('JS-P7: because too many are open at once are sent one by one', async () => {
      await using desk = await openDesk(server)
      for (const at of range(1, 60)) {
        const open = `NATS/1.0\r\nNats-Batch-Id:open${at}\r\nNats-Batch-Sequence:1\r\n\r\n`
        desk.raw.publish(desk.to('a'), 'never committed', { headers: { encode: () => Buffer.from(open) } as never })
      }
      await desk.raw.flush()
      expect(sequencesOf(await sendAll(desk, 20))).toEqual(range(1, 20))
      expect(committed(desk)).toEqual([20])
      expect(await desk.texts()).toEqual(texts(20))
    })

    it('because a message would be larger than the server takes are sent one by one', async () => {
      const small = await startNats({ version: '2.15', ...ALWAYS, maxPayloadBytes: 2 * SPARE_BYTES })
      try {
        await using desk = await openDesk(small)
        const batch = desk.batch(...texts(20))
        // It fits alone, and no more with what a batch says of it. Only such a one may use the spare.
        const headers = withHeaders({}, { [REDRIVE_HEADER]: 'c' })
        batch[9] = desk.outgoing('x'.repeat(2 * SPARE_BYTES - 142), { headers })
        expect((await desk.send(batch, PATIENT_MS)).map(endOf)).toEqual(accepted(20))
        expect(committed(desk)).toEqual([])
        expect((await desk.texts()).map((text) => text.length > 1000)).toEqual(range(0, 19).map((at) => at === 9))
      } finally {
        await small.stop()
      }
    })
  })

  describe('that nobody answers for', () => {
    it('JS-P2: a batch whose answer was lost with the link is stored once, and no duplicate for its callers', async () => {
      await using desk = await openDesk(server)
      desk.proxy.stall('toClient')
      const calls = texts(40).map((text) => desk.one(text, {}, PATIENT_MS))
      await desk.untilKept(40)
      desk.proxy.cut()
      await desk.untilLost()
      desk.proxy.pass()
      const outcomes = await Promise.all(calls)
      expect(sequencesOf(outcomes)).toEqual(range(1, 40))
      expect(outcomes.some((outcome) => outcome.status === 'accepted' && outcome.duplicate)).toBe(false)
      expect(await desk.texts()).toEqual(texts(40))
      await sendAll(desk, 20)
      expect(committed(desk)).toEqual([40, 20])
    })

    it('a batch that never arrived is sent one by one, each message stored once and in order', async () => {
      await using desk = await openDesk(server)
      desk.proxy.stall('toServer')
      const calls = texts(40).map((text) => desk.one(text, {}, PATIENT_MS))
      await desk.raw.flush()
      desk.proxy.cut()
      await desk.untilLost()
      desk.proxy.pass()
      expect(sequencesOf(await Promise.all(calls))).toEqual(range(1, 40))
      expect(await desk.texts()).toEqual(texts(40))
    })

    it('JS-P2: an overdue batch is repeated one by one and stored once, and a late answer changes nothing', async () => {
      await using desk = await openDesk(server)
      desk.proxy.stall('toClient')
      const calls = texts(20).map((text) => desk.one(text, {}, 3000))
      await desk.untilKept(20)
      // The first of them, alone, with a reply subject of its own.
      await until(() => countOf(desk, 'Nats-Msg-Id') >= 21, 'the first repetition')
      desk.proxy.pass()
      expect(sequencesOf(await Promise.all(calls))).toEqual(range(1, 20))
      expect(await desk.texts()).toEqual(texts(20))
    })

    it.each([200, 300])(
      'JS-P4: callers with %i ms get their outcome in time, and the others are not given up',
      async (ms) => {
        await using desk = await openDesk(server)
        await server.pause()
        const hasty = desk.send(desk.batch(...texts(20, 'hasty')), ms)
        const patient = sendAll(desk, 20, 'patient')
        expect((await hasty).map(endOf)).toEqual(range(1, 20).map(() => 'unknown BUS_TIMEOUT'))
        server.resume()
        expect((await patient).map(endOf)).toEqual(accepted(20))
        const kept = await desk.texts()
        expect(kept.filter((text) => text.startsWith('patient'))).toEqual(texts(20, 'patient'))
        expect(new Set(kept).size).toBe(kept.length)
        expect((await sendAll(desk, 20)).map(endOf)).toEqual(accepted(20))
      },
    )

    it('JS-P4: a caller in a hurry does not spoil the batch for the others in it', async () => {
      await using desk = await openDesk(server)
      desk.proxy.stall('toClient')
      const hasty = desk.send(desk.batch(...texts(10, 'hasty')), 200)
      const patient = sendAll(desk, 10, 'patient')
      expect((await hasty).map(endOf)).toEqual(range(1, 10).map(() => 'unknown BUS_TIMEOUT'))
      desk.proxy.pass()
      expect(sequencesOf(await patient)).toEqual(range(11, 20))
      expect(await desk.texts()).toEqual([...texts(10, 'hasty'), ...texts(10, 'patient')])
      const closing = performance.now()
      await desk.publisher.finish(PATIENT_MS)
      expect(performance.now() - closing).toBeLessThan(PATIENT_MS / 4)
    })

    it('JS-P4: a batch that is never answered holds up the next one no longer than its callers wait', async () => {
      await using desk = await openDesk(server, { isMissing: true })
      await desk.counter(desk.to('a'))
      for (const _ of range(1, 2)) {
        const outcomes = await desk.send(desk.batch(...texts(20)), 200)
        expect(outcomes.map(endOf)).toEqual(range(1, 20).map(() => 'unknown BUS_TIMEOUT'))
      }
      expect(committed(desk)).toEqual([20, 20])
    })

    it('an adapter that is closed meanwhile leaves those of the batch unknown, and those behind it refused', async () => {
      await using desk = await openDesk(server)
      desk.proxy.stall('toClient')
      const out = sendAll(desk, 20)
      await desk.untilKept(20)
      const behind = sendAll(desk, 20)
      desk.publisher.close()
      expect((await out).map(endOf)).toEqual(range(1, 20).map(() => 'unknown BUS_CLOSED'))
      expect((await behind).map(endOf)).toEqual(range(1, 20).map(() => 'rejected BUS_CLOSED'))
    })
  })

  it('no accepted message is lost or doubled when the server is killed with -9, again and again', async () => {
    const mortal = await startNats({ version: '2.15', ...ALWAYS })
    try {
      await using desk = await openDesk(mortal)
      const known = new Map<string, number>()
      let isOver = false
      const caller = async (name: number): Promise<void> => {
        for (let n = 1; !isOver; n++) {
          const outcome = await desk.one(`${name}:${n}`, {}, 60_000)
          if (outcome.status !== 'accepted') throw outcome.error
          known.set(`${name}:${n}`, outcome.sequence)
        }
      }
      const callers = range(1, 100).map(caller)
      for (const kill of range(1, 4)) {
        await until(() => known.size > 1000 * kill, 'a thousand more')
        await mortal.restart()
      }
      await until(() => known.size > 6000, 'the last ones')
      isOver = true
      await Promise.all(callers)
      const kept = new Map((await desk.kept()).map(({ text, sequence }) => [text, sequence]))
      const { state } = await desk.jsm.streams.info(desk.stream)
      expect(state.messages).toBe(known.size)
      expect(kept.size).toBe(known.size)
      expect([...known].filter(([text, sequence]) => kept.get(text) !== sequence)).toEqual([])
      expect(committed(desk).length).toBeGreaterThan(10)
    } finally {
      await mortal.stop()
    }
  })
})
