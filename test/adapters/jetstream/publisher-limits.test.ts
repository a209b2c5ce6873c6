/** What limits a publish: sizes, ids seen before, full streams, and a link that is down. Titles begin with the code of the fact. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { OWN_HEADER_BYTES } from '../../../adapters/jetstream/wire.js'
import { DEAD_PREFIX, REDRIVE_HEADER, SPARE_BYTES, withHeaders } from '../../../src/message.js'
import { growing, notBefore, nth, pass, range, until } from '../../../testing/suite/expect.js'
import { type NatsServer, startNats } from '../../servers/nats-server.js'
import { endOf, Publishing } from './publishing.js'

const MAX_PAYLOAD = 20_000

describe.each(['2.15', '2.10'] as const)('limits of publishing, server %s', (version) => {
  let server: NatsServer
  beforeAll(async () => {
    server = await startNats({ version, maxPayloadBytes: MAX_PAYLOAD })
  })
  afterAll(async () => {
    await server.stop()
  })

  describe('size', () => {
    it('JS-P6: a message of exactly max_payload, less the spare for its dead letter, is stored, one byte more is not sent', async () => {
      await using desk = await Publishing.open(server)
      const id = `${desk.stream}-id`
      const own = `NATS/1.0\r\nNats-Msg-Id:${id}\r\nNats-Expected-Stream:${desk.stream}\r\n\r\n`.length
      const seen = await desk.counter(desk.to('a'))
      const room = MAX_PAYLOAD - SPARE_BYTES - own
      expect(endOf(await desk.one('x'.repeat(room + 1), { id }))).toBe('rejected BUS_TOO_LARGE')
      expect(endOf(await desk.one('x'.repeat(room), { id }))).toBe('accepted')
      expect(await seen()).toBe(1)
    })

    it.each([`${DEAD_PREFIX}Consumer`, REDRIVE_HEADER])('JS-P6: a message with %s may use the spare', async (name) => {
      await using desk = await Publishing.open(server)
      const id = `${desk.stream}-id`
      const own = `NATS/1.0\r\nNats-Msg-Id:${id}\r\nNats-Expected-Stream:${desk.stream}\r\n${name}:c\r\n\r\n`.length
      const seen = await desk.counter(desk.to('a'))
      const headers = withHeaders({}, { [name]: 'c' })
      expect(endOf(await desk.one('x'.repeat(MAX_PAYLOAD - own + 1), { id, headers }))).toBe('rejected BUS_TOO_LARGE')
      expect(endOf(await desk.one('x'.repeat(MAX_PAYLOAD - own), { id, headers }))).toBe('accepted')
      expect(await seen()).toBe(1)
    })

    it('JS-P6: payload and headers of exactly maxMessageBytes are stored, one byte more is not sent', async () => {
      await using desk = await Publishing.open(server, { stream: { maxMessageBytes: 300 } })
      const seen = await desk.counter(desk.to('a'))
      const headers = withHeaders({}, { note: 'n'.repeat(100) })
      const room = 300 - 'note'.length - 3 - 100
      expect(endOf(await desk.one('x'.repeat(room + 1), { headers }))).toBe('rejected BUS_TOO_LARGE')
      expect(endOf(await desk.one('x'.repeat(room), { headers }))).toBe('accepted')
      expect(await seen()).toBe(1)
    })

    it('JS-P6: what a server refuses after all is refused with the same code', async () => {
      await using desk = await Publishing.open(server, { isForeign: true, stream: { maxMessageBytes: 100 } })
      const text = 'x'.repeat(100 + OWN_HEADER_BYTES - 50)
      expect(endOf(await desk.one(text))).toBe('rejected BUS_TOO_LARGE')
      expect(await desk.texts()).toEqual([])
    })
  })

  describe('ids', () => {
    it('JS-D1: an id with another subject, payload or kind of content is a conflict, and nothing is stored', async () => {
      await using desk = await Publishing.open(server)
      const id = `${desk.stream}-id`
      expect(endOf(await desk.one('1', { id }))).toBe('accepted')
      const others = [
        desk.outgoing('2', { id }),
        desk.outgoing('1', { id, subject: desk.to('b') }),
        desk.outgoing('1', { id, headers: withHeaders({}, { 'Busbar-Content': 'bytes' }) }),
      ]
      expect((await desk.send(others)).map(endOf)).toEqual(others.map(() => 'rejected BUS_ID_CONFLICT'))
      const same = desk.outgoing('1', { id, key: 'k', headers: withHeaders({}, { note: 'other' }) })
      expect(await desk.send([same])).toMatchObject([{ status: 'accepted', sequence: 1, duplicate: true }])
      expect(await desk.texts()).toEqual(['1'])
    })

    it('JS-D1: a duplicate of a message that was removed is a duplicate, since nobody can tell more', async () => {
      await using desk = await Publishing.open(server)
      const id = `${desk.stream}-id`
      await desk.one('1', { id })
      await desk.jsm.streams.deleteMessage(desk.stream, 1)
      expect(await desk.one('2', { id })).toMatchObject({ status: 'accepted', sequence: 1, duplicate: true })
    })

    it('JS-D2: an id whose message was removed is free again when the server has restarted', async () => {
      const other = await startNats({ version })
      try {
        await using desk = await Publishing.open(other)
        const id = `${desk.stream}-id`
        await desk.send([desk.outgoing('1', { id }), desk.outgoing('stays')])
        await desk.jsm.streams.deleteMessage(desk.stream, 1)
        await other.restartGently()
        expect(await desk.one('1', { id })).toMatchObject({ status: 'accepted', sequence: 3, duplicate: false })
      } finally {
        await other.stop()
      }
    })

    it('JS-D3: the window runs from the first publish of an id, whatever is repeated meanwhile', async () => {
      await using desk = await Publishing.open(server, { stream: { dedupWindow: 300 } })
      const id = `${desk.stream}-id`
      const began = performance.now()
      await desk.one('1', { id })
      await until(async () => {
        const outcome = await desk.one('1', { id })
        return outcome.status === 'accepted' && !outcome.duplicate
      }, 'the id to be free')
      notBefore(began, 300, 'the second storing')
      expect(await desk.texts()).toEqual(['1', '1'])
    })

    it('JS-D4: a message that is published again on purpose passes the window and keeps its id', async () => {
      await using desk = await Publishing.open(server)
      const id = `${desk.stream}-id`
      await desk.one('1', { id })
      await desk.jsm.streams.deleteMessage(desk.stream, 1)
      expect(await desk.one('1', { id })).toMatchObject({ duplicate: true })
      expect(await desk.one('1', { id, dedupId: `${id}:2` })).toMatchObject({ duplicate: false, sequence: 2 })
      expect(await desk.kept()).toEqual([{ sequence: 2, subject: desk.to('a'), id, text: '1' }])
    })

    it('JS-D5: a stream without a window gets no id to remember, and stores every repetition', async () => {
      await using desk = await Publishing.open(server, { stream: { dedupWindow: 0 } })
      const id = `${desk.stream}-id`
      for (const sequence of [1, 2]) expect(await desk.one('1', { id })).toMatchObject({ sequence, duplicate: false })
      const stored = await desk.jsm.streams.getMessage(desk.stream, { seq: 1 })
      expect([stored?.header.has('Nats-Msg-Id'), nth(await desk.kept(), 0).id]).toEqual([false, id])
    })
  })

  describe('limits', () => {
    it('JS-L2: a full stream refuses new messages, and takes them again when there is room', async () => {
      await using desk = await Publishing.open(server, { stream: { maxMessages: 2 } })
      const outcomes = await desk.send(desk.batch('a', 'b', 'c', 'd'))
      expect(outcomes.map(endOf)).toEqual([
        'accepted',
        'accepted',
        ...range(1, 2).map(() => 'rejected BUS_UNAVAILABLE'),
      ])
      const refused = nth(outcomes, 2)
      expect(refused.status === 'rejected' && refused.error.retryable).toBe(true)
      await desk.jsm.streams.deleteMessage(desk.stream, 1)
      expect(endOf(await desk.one('e'))).toBe('accepted')
      expect(await desk.texts()).toEqual(['b', 'e'])
    })

    it('JS-L2: a stream that is full by bytes refuses new messages', async () => {
      await using desk = await Publishing.open(server, { stream: { maxBytes: 3000 } })
      const outcomes = await desk.send(desk.batch('x'.repeat(2000), 'y'.repeat(2000)))
      expect(outcomes.map(endOf)).toEqual(['accepted', 'rejected BUS_UNAVAILABLE'])
    })
  })

  describe('while the link is down', () => {
    it('JS-R3: messages wait outside the client, and are stored in order when the link is back', async () => {
      await using desk = await Publishing.open(server)
      desk.proxy.cut()
      await desk.untilLost()
      const { outBytes } = desk.connection.nats.stats()
      const texts = range(1, 300).map(String)
      const outcomes = Promise.all([
        desk.send(desk.batch(...texts.slice(0, 200))),
        desk.send(desk.batch(...texts.slice(200))),
      ])
      await pass(100)
      expect(desk.connection.nats.stats().outBytes).toBe(outBytes)
      desk.proxy.pass()
      const sequences = (await outcomes).flat().map((outcome) => (outcome.status === 'accepted' ? outcome.sequence : 0))
      growing(sequences)
      expect(await desk.texts()).toEqual(texts)
    })

    it('JS-R3: what waits is bounded by bytes; more is refused at once, and room comes back', async () => {
      await using desk = await Publishing.open(server, { maxWaitingBytes: 10_000 })
      desk.proxy.cut()
      await desk.untilLost()
      const waiting = desk.send(desk.batch('x'.repeat(4000), 'y'.repeat(4000)))
      const sent = performance.now()
      expect(endOf(await desk.one('z'.repeat(4000), {}, 10_000))).toBe('rejected BUS_UNAVAILABLE')
      expect(performance.now() - sent).toBeLessThan(1000)
      desk.proxy.pass()
      expect((await waiting).map(endOf)).toEqual(['accepted', 'accepted'])
      expect(endOf(await desk.one('z'.repeat(4000)))).toBe('accepted')
      expect(await desk.texts()).toHaveLength(3)
    })

    it('JS-R3: what was never sent when its time is up is refused, and is not stored later', async () => {
      await using desk = await Publishing.open(server)
      desk.proxy.cut()
      await desk.untilLost()
      const sent = performance.now()
      expect(endOf(await desk.one('late', {}, 200))).toBe('rejected BUS_UNAVAILABLE')
      notBefore(sent, 200, 'the outcome')
      desk.proxy.pass()
      expect(endOf(await desk.one('next'))).toBe('accepted')
      expect(await desk.texts()).toEqual(['next'])
    })

    it('JS-R3: room that expired messages took is free again while the link is still down', async () => {
      await using desk = await Publishing.open(server, { maxWaitingBytes: 10_000 })
      desk.proxy.cut()
      await desk.untilLost()
      for (const _ of range(1, 3))
        expect(endOf(await desk.one('x'.repeat(9000), {}, 100))).toBe('rejected BUS_UNAVAILABLE')
      const last = desk.one('y'.repeat(9000))
      desk.proxy.pass()
      expect(endOf(await last)).toBe('accepted')
    })
  })
})
