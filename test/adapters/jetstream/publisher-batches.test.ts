/** When atomic batches form, and what is in them, on servers that sync always. What becomes of failed ones is in `publisher-batch-failures`. */
import type { PersistMode } from '@nats-io/jetstream'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { provisionStreams } from '../../../adapters/jetstream/provision/provision.js'
import { parseHeaders } from '../../../adapters/jetstream/wire.js'
import { resolveStream } from '../../../src/topology.js'
import { range } from '../../../testing/suite/expect.js'
import { type NatsServer, startNats } from '../../servers/nats-server.js'
import { ALWAYS, accepted, committed, countOf, openDesk, PATIENT_MS, sendAll, sequencesOf, texts } from './batching.js'
import { endOf, Publishing, type PublishingOptions } from './publishing.js'

describe('atomic batches on a server that syncs always', () => {
  let server: NatsServer
  beforeAll(async () => {
    server = await startNats({ version: '2.15', ...ALWAYS })
  })
  afterAll(async () => {
    await server.stop()
  })

  describe('form', () => {
    it('of what comes in one turn of the event loop, in order, each message with its own position', async () => {
      await using desk = await openDesk(server)
      await desk.one('0')
      const calls = texts(64).map((text) => desk.one(text, {}, PATIENT_MS))
      expect(sequencesOf(await Promise.all(calls))).toEqual(range(2, 65))
      expect(committed(desk)).toEqual([64])
      const kept = await desk.kept()
      expect(kept.map(({ text }) => text)).toEqual(['0', ...texts(64)])
      expect(kept.map(({ sequence }) => sequence)).toEqual(range(1, 65))
      expect(new Set(kept.map(({ id }) => id)).size).toBe(65)
    })

    it('of what waits while the one before is out, and nothing goes before that is answered', async () => {
      await using desk = await openDesk(server)
      desk.proxy.stall('toClient')
      const first = sendAll(desk, 20, 'a')
      await desk.untilKept(20)
      const later = texts(30, 'b').map((text) => desk.one(text, {}, PATIENT_MS))
      await desk.raw.flush()
      expect(committed(desk)).toEqual([20])
      desk.proxy.pass()
      expect(sequencesOf(await first)).toEqual(range(1, 20))
      expect(sequencesOf(await Promise.all(later))).toEqual(range(21, 50))
      expect(committed(desk)).toEqual([20, 30])
    })

    it('for callers that each await their own publish, and all of them are in each', async () => {
      await using desk = await openDesk(server)
      const caller = async (name: number): Promise<void> => {
        for (const n of range(1, 10)) expect(endOf(await desk.one(`${name}:${n}`, {}, PATIENT_MS))).toBe('accepted')
      }
      await Promise.all(range(1, 40).map(caller))
      expect(committed(desk)).toEqual(range(1, 10).map(() => 40))
      expect((await desk.texts()).length).toBe(400)
    })

    it('JS-P7: of a thousand messages at most, and no more than the window', async () => {
      await using desk = await openDesk(server)
      expect(sequencesOf(await sendAll(desk, 1500))).toEqual(range(1, 1500))
      expect(committed(desk)).toEqual([1000, 500])
      await using narrow = await openDesk(server, { maxPublishing: 20 })
      expect(sequencesOf(await sendAll(narrow, 50))).toEqual(range(1, 50))
      expect(committed(narrow)).toEqual([20, 20])
    })

    it('only of so many that a batch is cheaper than each alone', async () => {
      await using desk = await openDesk(server)
      for (const count of [1, 2, 15]) await sendAll(desk, count)
      expect(committed(desk)).toEqual([])
      await sendAll(desk, 16)
      expect(committed(desk)).toEqual([16])
    })

    it('around messages whose id the caller chose: those go alone, and the order stays', async () => {
      await using desk = await openDesk(server)
      const chosen = desk.outgoing('chosen', { id: `${desk.stream}-chosen` })
      const batch = [...desk.batch(...texts(20, 'a')), chosen, ...desk.batch(...texts(20, 'b'))]
      expect(sequencesOf(await desk.send(batch, PATIENT_MS))).toEqual(range(1, 41))
      expect(committed(desk)).toEqual([20, 20])
      expect(await desk.texts()).toEqual([...texts(20, 'a'), 'chosen', ...texts(20, 'b')])
      expect(await desk.one('chosen', { id: `${desk.stream}-chosen` })).toMatchObject({ sequence: 21, duplicate: true })
    })

    it('not of messages that the stream would not recognise, nor of a stream in memory', async () => {
      for (const stream of [{ dedupWindow: 0 }, { storage: 'memory' }] as const) {
        await using desk = await openDesk(server, { stream })
        expect((await sendAll(desk, 50)).map(endOf)).toEqual(accepted(50))
        expect(countOf(desk, 'Nats-Batch-Id')).toBe(0)
      }
    })

    it('where the sync mode is seen by monitoring, whatever was declared, and not where nobody knows it', async () => {
      const lazy = await startNats({ version: '2.15' })
      try {
        const knows = async (at: NatsServer, options: PublishingOptions): Promise<boolean> => {
          await using desk = await Publishing.open(at, options)
          expect((await sendAll(desk, 20)).map(endOf)).toEqual(accepted(20))
          return committed(desk).length > 0
        }
        expect(await knows(server, { monitorUrl: server.monitorUrl })).toBe(true)
        expect(await knows(lazy, { monitorUrl: lazy.monitorUrl, ...ALWAYS })).toBe(false)
        expect(await knows(lazy, { syncInterval: '2m' })).toBe(false)
        expect(await knows(server, {})).toBe(false)
      } finally {
        await lazy.stop()
      }
    })

    it('leave no trace in the message that a reader gets', async () => {
      await using desk = await openDesk(server)
      await desk.send(
        texts(16).map((text) => desk.outgoing(text, { key: 'k', headers: { 'x-n': text } })),
        PATIENT_MS,
      )
      for (const seq of [1, 16]) {
        const header = String((await desk.jsm.streams.getMessage(desk.stream, { seq }))?.header)
        expect(header).toContain('Nats-Batch-Id')
        expect(parseHeaders(header)).toMatchObject({ key: 'k', headers: { 'x-n': String(seq) } })
        expect(Object.keys(parseHeaders(header).headers)).toEqual(['x-n'])
      }
    })
  })
})

describe('streams for atomic batches', () => {
  let server: NatsServer
  beforeAll(async () => {
    server = await startNats({ version: '2.15', ...ALWAYS })
  })
  afterAll(async () => {
    await server.stop()
  })

  it('take them once they were declared by somebody who knows, and keep that when others declare them', async () => {
    await using desk = await openDesk(server, { isMissing: true })
    const streams = [resolveStream({ name: desk.stream, subjects: [desk.to('>')] })]
    const declare = async (isBatching: boolean): Promise<unknown> => {
      const report = await provisionStreams(desk.jsm, streams, () => isBatching)
      return [Object.entries(report).find(([, names]) => names.length > 0)?.[0], await takesBatches(desk)]
    }
    expect(await declare(false)).toEqual(['created', false])
    expect(await declare(true)).toEqual(['updated', true])
    expect(await declare(true)).toEqual(['unchanged', true])
    expect(await declare(false)).toEqual(['unchanged', true])
  })

  it('JS-P7: are left alone in memory and with asynchronous persistence, which refuses them', async () => {
    await using memory = await openDesk(server, { stream: { storage: 'memory' } })
    expect(await takesBatches(memory)).toBe(false)
    await using desk = await openDesk(server, { isMissing: true })
    const stream = resolveStream({ name: desk.stream, subjects: [desk.to('>')] })
    await desk.jsm.streams.add({ name: desk.stream, subjects: [desk.to('>')], persist_mode: 'async' as PersistMode })
    await provisionStreams(desk.jsm, [stream], () => true)
    expect(await takesBatches(desk)).toBe(false)
    expect((await sendAll(desk, 20)).map(endOf)).toEqual(accepted(20))
  })
})

async function takesBatches({ jsm, stream }: Publishing): Promise<boolean> {
  return (await jsm.streams.info(stream)).config.allow_atomic === true
}

describe('atomic batches on a server that has none', () => {
  it('JS-P1: an answer as to a message does not prove a batch: its messages go one by one', async () => {
    const server = await startNats({ version: '2.15', ...ALWAYS })
    try {
      await using desk = await openDesk(server, { isMissing: true })
      const asked = desk.answer(desk.to('a'), (times) => `{"stream":"${desk.stream}","seq":${100 + times}}`)
      await desk.raw.flush()
      expect(sequencesOf(await sendAll(desk, 20))).toEqual(range(121, 140))
      expect(sequencesOf(await sendAll(desk, 20))).toEqual(range(141, 160))
      expect([asked.asked, committed(desk)]).toEqual([60, [20]])
    } finally {
      await server.stop()
    }
  })

  it('server 2.10: messages go one by one, whatever its operator declares', async () => {
    const old = await startNats({ version: '2.10', ...ALWAYS })
    try {
      await using desk = await openDesk(old)
      expect(sequencesOf(await sendAll(desk, 50))).toEqual(range(1, 50))
      expect(countOf(desk, 'Nats-Batch-Id')).toBe(0)
    } finally {
      await old.stop()
    }
  })
})
