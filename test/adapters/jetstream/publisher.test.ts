/** Order, limits, refusals and the end of the publisher, on real servers. Facts of JetStream are in `publisher-answers` and `publisher-limits`. */
import type { Msg } from '@nats-io/transport-node'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { refusalOf, SERVER } from '../../../adapters/jetstream/failure.js'
import { HeaderBlock } from '../../../adapters/jetstream/wire.js'
import { growing, nth, range, until } from '../../../testing/suite/expect.js'
import { codeOfAsync } from '../../code-of.js'
import { type NatsServer, startNats } from '../../servers/nats-server.js'
import { endOf, Publishing } from './publishing.js'

const BUSY = '{"error":{"code":503,"err_code":10008,"description":"JetStream system temporarily unavailable"}}'

describe.each(['2.15', '2.10'] as const)('the publisher, server %s', (version) => {
  let server: NatsServer
  beforeAll(async () => {
    server = await startNats({ version })
  })
  afterAll(async () => {
    await server.stop()
  })

  describe('order', () => {
    it('a batch larger than the window is stored in order, once, and answered in order', async () => {
      await using desk = await Publishing.open(server, { maxPublishing: 4 })
      const texts = range(1, 200).map(String)
      const outcomes = await desk.send(desk.batch(...texts))
      expect(outcomes.map((outcome) => outcome.status === 'accepted' && outcome.sequence)).toEqual(range(1, 200))
      expect(await desk.texts()).toEqual(texts)
    })

    it('an empty batch ends at once', async () => {
      await using desk = await Publishing.open(server)
      expect(await desk.send([])).toEqual([])
    })

    it('messages keep their order through kill -9 of the server, each stored once and accepted', async () => {
      const mortal = await startNats({ version })
      try {
        await using desk = await Publishing.open(mortal, { maxPublishing: 32 })
        const texts = range(1, 4000).map(String)
        const calls = texts.map((text) => desk.one(text, {}, 20_000))
        await nth(calls, 500)
        await mortal.restart()
        const outcomes = await Promise.all(calls)
        growing(outcomes.map((outcome) => (outcome.status === 'accepted' ? outcome.sequence : 0)))
        const { state } = await desk.jsm.streams.info(desk.stream)
        expect(state.messages).toBe(4000)
        for (const at of [1, 500, 2000, 4000])
          expect((await desk.jsm.streams.getMessage(desk.stream, { seq: at }))?.string()).toBe(String(at))
      } finally {
        await mortal.stop()
      }
    })

    it('a message that has to go again holds up the later ones of its stream until it is stored', async () => {
      await using desk = await Publishing.open(server)
      await desk.jsm.streams.update(desk.stream, { subjects: [desk.to('b')] })
      let answer = BUSY
      const asked = desk.answer(desk.to('a'), () => answer)
      await desk.raw.flush()
      const first = desk.one('a')
      await until(() => asked.asked >= 2, 'the second attempt')
      const later = desk.one('b', { subject: desk.to('b') })
      await until(() => asked.asked >= 4, 'the fourth attempt')
      expect(await desk.texts()).toEqual([])
      answer = `{"stream":"${desk.stream}","seq":1}`
      expect((await Promise.all([first, later])).map(endOf)).toEqual(['accepted', 'accepted'])
      expect(await desk.texts()).toEqual(['b'])
    })

    it('a stream that is held up holds up no other', async () => {
      await using stuck = await Publishing.open(server, { isMissing: true })
      stuck.answer(stuck.to('a'), () => BUSY)
      await stuck.jsm.streams.add({ name: `${stuck.stream}x`, subjects: [`${stuck.stream}x`] })
      const held = stuck.one('a', {}, 1500)
      expect(await stuck.one('x', { subject: `${stuck.stream}x` }, 1000)).toMatchObject({ sequence: 1 })
      expect(endOf(await held)).toBe('rejected BUS_UNAVAILABLE')
    })
  })

  describe('permissions', () => {
    const may = (publish: string): string =>
      `authorization { users: [{ user: u, password: p, permissions: { publish: ${publish}, subscribe: ">" } },
        { user: admin, password: p }] }
       no_auth_user: admin`

    it('a subject that the server forbids is refused at once, however many publishes were sent', async () => {
      const strict = await startNats({ version, config: may('{ allow: ["$JS.>", "*.a"] }') })
      try {
        await using desk = await Publishing.open(strict, { user: 'u', password: 'p' })
        const sent = performance.now()
        const denied = range(1, 100).map((n) => desk.outgoing(String(n), { subject: desk.to('b') }))
        const outcomes = await desk.send([desk.outgoing('a'), ...denied, desk.outgoing('c')], 30_000)
        expect(outcomes.map(endOf)).toEqual(['accepted', ...denied.map(() => 'rejected BUS_AUTH'), 'accepted'])
        expect(performance.now() - sent).toBeLessThan(5000)
        expect(await desk.texts()).toEqual(['a', 'c'])
      } finally {
        await strict.stop()
      }
    })

    it('a permission that is taken away refuses only what comes after, though the server does not say what it refuses', async () => {
      const strict = await startNats({ version, config: may('">"') })
      try {
        await using desk = await Publishing.open(strict, { user: 'u', password: 'p', isMissing: true })
        const held: Msg[] = []
        desk.raw.subscribe(desk.to('a'), { callback: (_error, message) => void held.push(message) })
        await desk.raw.flush()
        const before = desk.one('a', {}, 30_000)
        await until(() => held.length === 1, 'the first publish to arrive')
        await strict.reload({ config: may('{ deny: ["*.a"] }') })
        const after = desk.one('b', {}, 30_000)
        const denied = new Promise<void>((resolve) => void desk.connection.onDenied(() => resolve()))
        await denied
        nth(held, 0).respond(`{"stream":"${desk.stream}","seq":9}`)
        expect(await before).toMatchObject({ status: 'accepted', sequence: 9 })
        expect(endOf(await after)).toBe('rejected BUS_AUTH')
      } finally {
        await strict.stop()
      }
    })

    it('a user who may not hear answers learns that nothing is known of its publishes', async () => {
      const config = may('">"').replace('subscribe: ">"', 'subscribe: "other.>"')
      const strict = await startNats({ version, config })
      try {
        await using desk = await Publishing.open(strict, { user: 'u', password: 'p' })
        for (const _ of range(1, 2)) expect(endOf(await desk.one('a', {}, 30_000))).toBe('unknown BUS_AUTH')
      } finally {
        await strict.stop()
      }
    })
  })

  describe('messages of our own', () => {
    const store = (desk: Publishing, text: string, ...lines: string[]) => {
      const headers = new HeaderBlock(`NATS/1.0\r\n${lines.map((line) => `${line}\r\n`).join('')}\r\n`)
      return desk.publisher.store(desk.to('own'), desk.stream, headers, Buffer.from(text), 3000)
    }

    it('are stored where they are said to be', async () => {
      await using desk = await Publishing.open(server)
      expect(await store(desk, 'x')).toMatchObject({ stream: desk.stream, sequence: 1, duplicate: false })
      expect(await desk.texts()).toEqual(['x'])
    })

    it('tell what the server refused them with', async () => {
      await using desk = await Publishing.open(server)
      const only = 'Nats-Expected-Last-Subject-Sequence:0'
      await store(desk, 'x', only)
      const refused: unknown = await store(desk, 'y', only).catch((thrown: unknown) => thrown)
      expect(refusalOf(refused)).toBe(SERVER.wrongLastSequence)
    })

    it('are sent once when no id protects them, and again when one does', async () => {
      await using desk = await Publishing.open(server)
      desk.proxy.stall('toClient')
      const plain = codeOfAsync(store(desk, 'plain'))
      const named = store(desk, 'named', 'Nats-Msg-Id:one')
      await desk.untilKept(2)
      desk.proxy.cut()
      await desk.untilLost()
      desk.proxy.pass()
      expect(await plain).toBe('BUS_UNAVAILABLE')
      expect(await named).toMatchObject({ sequence: 2, duplicate: true })
      expect(await desk.texts()).toEqual(['plain', 'named'])
    })
  })

  describe('the end', () => {
    it('leaves what was sent unknown and what was not rejected, and refuses everything after', async () => {
      await using desk = await Publishing.open(server, { maxPublishing: 2 })
      desk.proxy.stall()
      const calls = desk.send(desk.batch('a', 'b', 'c', 'd'))
      desk.publisher.close()
      const [sent, waiting] = ['unknown BUS_CLOSED', 'rejected BUS_CLOSED']
      expect((await calls).map(endOf)).toEqual([sent, sent, waiting, waiting])
      expect(await codeOfAsync(desk.one('e'))).toBe('BUS_CLOSED')
      desk.publisher.close()
    })

    it('leaves no subscription behind', async () => {
      await using desk = await Publishing.open(server)
      const subscriptions = async (): Promise<number> => {
        const answer = await fetch(`${server.monitorUrl}/varz`)
        return ((await answer.json()) as { subscriptions: number }).subscriptions
      }
      const before = await subscriptions()
      await desk.one('a')
      expect(await subscriptions()).toBe(before + 1)
      desk.publisher.close()
      await desk.connection.nats.flush()
      expect(await subscriptions()).toBe(before)
    })

    it('ends publishes that wait for the server to say which stream takes them', async () => {
      await using desk = await Publishing.open(server, { isForeign: true })
      desk.proxy.cut()
      await desk.untilLost()
      const call = desk.one('a', {}, 30_000)
      desk.publisher.close()
      await desk.connection.close()
      expect(endOf(await call)).toBe('rejected BUS_CLOSED')
    })
  })
})
