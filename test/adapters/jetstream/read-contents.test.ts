/** What a reading yields, and what it must leave alone: consumers, work, memory. Titles begin with the fact's code. */
import { headers } from '@nats-io/transport-node'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Connection } from '../../../adapters/jetstream/connect/connection.js'
import { scan } from '../../../adapters/jetstream/read/read.js'
import type { ReadQuery } from '../../../src/adapter.js'
import { systemClock } from '../../../src/clock.js'
import { silentLogger } from '../../../src/logger.js'
import type { StoredMessage } from '../../../src/message.js'
import { nth, range } from '../../../testing/suite/expect.js'
import { textOf } from '../../../testing/suite/port-side.js'
import { type NatsServer, startNats } from '../../servers/nats-server.js'
import { Follower, read, readersOf, texts } from './fixtures/readings.js'
import { Port } from './port.js'

describe.each(['2.15', '2.10'] as const)('what is read, server %s', (version) => {
  let server: NatsServer
  beforeAll(async () => {
    server = await startNats({ version })
  })
  afterAll(async () => {
    await server.stop()
  })

  describe('disturbs nothing', () => {
    it('JS-F7: a reader that takes its time has a bounded number of messages on its way', async () => {
      await using port = await Port.open(server)
      await port.publish(...texts(1, 1500))
      for await (const message of read(port)) {
        if (textOf(message) !== '300') continue
        const { num_pending } = await port.jsm.consumers.info(port.stream, nth(await readersOf(port), 0))
        expect(1500 - num_pending).toBeGreaterThanOrEqual(300)
        expect(1500 - num_pending).toBeLessThanOrEqual(300 + 256)
        break
      }
    })

    it('JS-C5: a work queue is read and followed beside its consumer, without a consumer and without taking work away', async () => {
      await using port = await Port.open(server, {}, { retention: 'workqueue' })
      await port.publish('1', '2', '3')
      await using follower = new Follower(port, { from: { sequence: 2 } })
      await follower.reached(2)
      expect(await readersOf(port)).toEqual([])
      const { probe } = await port.attach(3)
      await probe.nth(3)
      expect([probe.texts, follower.texts]).toEqual([
        ['1', '2', '3'],
        ['2', '3'],
      ])
    })

    it('a work queue is read from every start, and by several filters', async () => {
      await using port = await Port.open(server, {}, { retention: 'workqueue' })
      for (const text of ['a1', 'b1', 'c1', 'a2', 'b2'])
        await port.send([port.outgoing(text, { subject: port.to(text.slice(0, 1)) })])
      const filters = [port.to('a'), port.to('b')]
      const seenFrom = async (query: Partial<ReadQuery>): Promise<string> => {
        const seen: string[] = []
        for await (const message of read(port, { filters, ...query })) seen.push(textOf(message))
        return seen.join(' ')
      }
      const stored: StoredMessage[] = []
      for await (const message of read(port)) stored.push(message)
      expect(await seenFrom({})).toBe('a1 b1 a2 b2')
      expect(await seenFrom({ from: { sequence: 2 }, toSequence: 4 })).toBe('b1 a2')
      expect(await seenFrom({ from: 'last-per-subject' })).toBe('a2 b2')
      expect(await seenFrom({ from: 'last' })).toBe('b2')
      expect(await seenFrom({ from: 'new' })).toBe('')
      expect(await seenFrom({ from: { timeMs: nth(stored, 0).time } })).toBe('a1 b1 a2 b2')
      expect(await seenFrom({ from: { timeMs: nth(stored, 4).time + 1 } })).toBe('')
    })

    it('a follower of an interest stream is no interest', async () => {
      await using port = await Port.open(server, {}, { retention: 'interest' })
      await using follower = new Follower(port)
      await port.publish('into the void')
      const { state } = await port.jsm.streams.info(port.stream)
      expect([state.messages, state.consumer_count, follower.texts]).toEqual([0, 0, []])
    })
  })

  describe('what is read', () => {
    it('scan() yields headers, keys and positions without payloads', async () => {
      await using port = await Port.open(server)
      await port.send(range(1, 600).map((n) => port.outgoing('payload', { key: `k${n}` })))
      const connection = new Connection({ servers: server.url })
      await connection.open({ clock: systemClock, logger: silentLogger, random: Math.random, strict: false })
      const range1 = { stream: port.stream, filters: [port.to('>')], fromSequence: 100, toSequence: 550 }
      const found = await scan(connection, range1)
      await connection.close()
      expect(found.map(({ sequence, key }) => [sequence, key])).toEqual(range(100, 550).map((n) => [n, `k${n}`]))
      expect(found.every(({ payload }) => payload.byteLength === 0)).toBe(true)
    })

    it('JS-H5: headers and the lack of an id of a foreign message are data, the same for every reader', async () => {
      await using port = await Port.open(server)
      const foreign = headers()
      foreign.append('Nats-Whatever', 'x')
      foreign.append('tenant', ' vbz ')
      await port.raw.request(port.to('a'), 'hello', { headers: foreign, timeout: 1000 })
      const seen: StoredMessage[] = []
      for (const query of [{}, { from: 'last' }, { from: { sequence: 1 }, toSequence: 1 }] as const)
        for await (const message of read(port, query)) seen.push(message)
      for (const { id, headers: own, payload } of seen) {
        expect([id, { ...own }]).toEqual([`${port.stream}:1`, { 'Nats-Whatever': 'x', tenant: 'vbz' }])
        expect(Buffer.from(payload).toString()).toBe('hello')
      }
      expect(seen).toHaveLength(3)
    })

    it('JS-H1: a message that a foreign client stored under a literal wildcard is no answer for another subject', async () => {
      await using port = await Port.open(server)
      await port.publish('mine')
      await port.raw.request(port.to('*'), 'literal')
      const seen: string[] = []
      for await (const message of read(port, { filters: [port.to('a')], from: 'last' })) seen.push(textOf(message))
      for await (const message of read(port, { filters: [port.to('a')] })) seen.push(textOf(message))
      expect(seen).toEqual(['mine', 'mine'])
    })

    it('the newest message of any of several filters, and of everything', async () => {
      await using port = await Port.open(server)
      for (const path of ['a', 'b', 'c']) await port.send([port.outgoing(path, { subject: port.to(path) })])
      const last = async (...filters: string[]): Promise<string[]> => {
        const seen: string[] = []
        for await (const message of read(port, { filters, from: 'last' })) seen.push(textOf(message))
        return seen
      }
      expect(await last(port.to('b'), port.to('a'))).toEqual(['b'])
      expect(await last('>')).toEqual(['c'])
      expect(await last(port.to('d'))).toEqual([])
    })
  })
})
