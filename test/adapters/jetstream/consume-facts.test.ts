/** What a JetStream server and its client do with deliveries, and that the adapter survives it. Titles begin with the fact's code. */
import { cp, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { jetstream } from '@nats-io/jetstream'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { notBefore, nth, pass, range, until } from '../../../testing/suite/expect.js'
import { codeOfAsync } from '../../code-of.js'
import { type NatsServer, startNats } from '../../servers/nats-server.js'
import { Port } from './port.js'

const ACK = { kind: 'ack' } as const
const RELEASE = { kind: 'release' } as const

describe.each(['2.15', '2.10'] as const)('deliveries, server %s', (version) => {
  let server: NatsServer
  beforeAll(async () => {
    server = await startNats({ version })
  })
  afterAll(async () => {
    await server.stop()
  })

  describe('settling', () => {
    it('JS-S1: an acknowledgement that is made while the server is away is sent when it is back', async () => {
      await using port = await Port.open(server)
      const { probe } = await port.attach(1)
      await port.publish('a')
      const delivery = await probe.nth(1)
      await server.kill()
      await until(async () => !(await port.adapter.inspect()).connected, 'the loss to be noticed')
      await port.adapter.settle([delivery], ACK)
      await server.restart()
      await until(async () => (await port.unsettled().catch(() => 1)) === 0, 'the acknowledgement')
      expect(probe.deliveries).toHaveLength(1)
    })

    it('JS-S2: a redelivery of a message whose acknowledgement was lost can be acknowledged', async () => {
      await using port = await Port.open(server)
      const { probe } = await port.attach(2, { ackWait: 150 })
      await port.publish('a')
      // Nothing is sent for the first delivery, as if its acknowledgement had been lost.
      const again = (await probe.nth(1)) && (await probe.nth(2))
      await port.adapter.settle([again], ACK)
      await until(async () => (await port.unsettled()) === 0, 'the acknowledgement')
    })

    it('JS-S3: a failed message comes back after its delay and not at once, on every attempt', async () => {
      await using port = await Port.open(server)
      const { probe } = await port.attach(9)
      await port.publish('a')
      for (const attempt of range(1, 3)) {
        const failed = performance.now()
        await port.adapter.settle([await probe.nth(attempt)], { kind: 'nak', delayMs: 60 })
        await probe.nth(attempt + 1)
        notBefore(failed, 60, `attempt ${attempt + 1}`)
      }
    })

    it('JS-S4: a hand-back raises the count of the server and not the attempt, in another process too', async () => {
      await using port = await Port.open(server)
      const first = await port.attach(1)
      await port.publish('a')
      await port.adapter.settle([await first.probe.nth(1)], RELEASE)
      await first.feed.stop()
      const second = await port.attach(1, {}, await port.another())
      expect((await second.probe.nth(1)).attempt).toBe(1)
      expect((await port.jsm.consumers.info(port.stream, 'worker')).num_redelivered).toBe(1)
    })

    it('JS-S4: what is handed back too late is no hand-back: who has the message meanwhile counts on from its own attempt', async () => {
      await using port = await Port.open(server)
      const settings = { ackWait: 800 }
      const late = await port.attach(1, settings)
      await port.publish('a')
      const lost = await late.probe.nth(1)
      const next = await port.another()
      const { probe, feed } = await port.attach(1, settings, next)
      const failed = await probe.nth(1)
      await port.adapter.settle([lost], RELEASE)
      await feed.stop()
      await next.settle([failed], { kind: 'nak', delayMs: 50 })
      await late.feed.stop()
      const last = await port.attach(1, settings, await port.another())
      expect([failed.attempt, (await last.probe.nth(1)).attempt]).toEqual([2, 3])
    })

    it('JS-S5: a consumer with a backoff of its own is refused', async () => {
      await using port = await Port.open(server)
      await port.foreignConsumer({ backoff: [10_000_000_000, 20_000_000_000], max_deliver: 3 })
      expect(await codeOfAsync(() => port.attach(1))).toBe('BUS_CONFLICT')
    })

    it('JS-S6: JS-S7: the server has no limit of deliveries, and a consumer that has one is refused', async () => {
      await using port = await Port.open(server)
      await port.attach(0)
      expect((await port.jsm.consumers.info(port.stream, 'worker')).config.max_deliver).toBe(-1)
      await port.jsm.consumers.delete(port.stream, 'worker')
      await port.foreignConsumer({ max_deliver: 3 })
      expect(await codeOfAsync(() => port.attach(1))).toBe('BUS_CONFLICT')
    })

    it('JS-S6: a consumer of somebody else that has used up its deliveries is told of in the log', async () => {
      const lines: string[] = []
      const logger = { log: (_: string, message: string) => void lines.push(message) }
      await using port = await Port.open(server, {}, {}, logger)
      await port.foreignConsumer({ durable_name: 'stranger', max_deliver: 1, ack_wait: 50_000_000 })
      await port.publish('a')
      const consumer = await jetstream(port.raw).consumers.get(port.stream, 'stranger')
      await consumer.next({ expires: 1000 })
      const again = consumer.next({ expires: 1000 })
      await until(() => lines.some((line) => line.includes('used up its deliveries')), 'the hint')
      await again
    })

    it('JS-S9: a delivery that its process never answered counts as an attempt', async () => {
      await using port = await Port.open(server)
      const dying = await port.another()
      const { probe } = await port.attach(1, { ackWait: 200 }, dying)
      await port.publish('a')
      await probe.nth(1)
      await dying.close()
      const next = await port.attach(1, { ackWait: 200 })
      expect((await next.probe.nth(1)).attempt).toBe(2)
    })

    it('JS-S11: a message is kept by working, and an acknowledgement after its redelivery settles it', async () => {
      await using port = await Port.open(server)
      const { probe } = await port.attach(5, { ackWait: 300 })
      await port.publish('a')
      const held = await probe.nth(1)
      for (const _ of range(1, 5)) {
        await pass(120)
        await port.adapter.settle([held], { kind: 'working' })
      }
      expect(probe.deliveries).toHaveLength(1)
      await probe.nth(2)
      await port.adapter.settle([held], ACK)
      await until(async () => (await port.unsettled()) === 0, 'the acknowledgement')
    })
  })

  describe('pulling', () => {
    it('JS-F1: the consumer is a pull consumer, and a push consumer of that name is refused', async () => {
      await using port = await Port.open(server)
      await port.foreignConsumer({ deliver_subject: 'somewhere' })
      expect(await codeOfAsync(() => port.attach(1))).toBe('BUS_CONFLICT')
    })

    it('JS-F2: no more is taken from the server than was granted', async () => {
      await using port = await Port.open(server)
      await port.publish(...range(1, 50).map(String))
      const { probe } = await port.attach(7)
      await probe.nth(7)
      await pass(50)
      expect(await port.unsettled()).toBe(7)
    })

    it('JS-F3: JS-F7: large messages come in portions, and all of them come', async () => {
      await using port = await Port.open(server, {}, { maxMessageBytes: 7_000_000 })
      const large = new Uint8Array(6_000_000)
      for (const _ of range(1, 8)) await port.send([port.outgoing(large)])
      const { probe } = await port.attach(8)
      await probe.nth(8)
      expect(new Set(probe.deliveries.map(({ attempt }) => attempt))).toEqual(new Set([1]))
    })

    it('JS-F4: JS-R4: JS-C6: a server that falls silent is noticed within five seconds, and is used again afterwards', async () => {
      await using port = await Port.open(server)
      const { probe } = await port.attach(5)
      await port.publish('a')
      await probe.nth(1)
      await server.pause()
      try {
        const silent = performance.now()
        await until(
          async () => (await port.adapter.inspect()).notes.some((note) => note.includes('worker')),
          'the silence',
        )
        expect(performance.now() - silent).toBeLessThan(5000)
      } finally {
        server.resume()
      }
      await port.publish('b')
      await probe.arrival('b')
    }, 30_000)

    it('JS-F9: a consumer from the beginning is handed what was there before it', async () => {
      await using port = await Port.open(server)
      await port.publish('a', 'b')
      const { probe } = await port.attach(2, { from: 'all' })
      await probe.nth(2)
      expect(probe.texts).toEqual(['a', 'b'])
    })
  })

  describe('consumers that disappear', () => {
    it('JS-C1: a deleted consumer is made anew where it stood', async () => {
      await using port = await Port.open(server)
      const { probe } = await port.attach(9)
      await port.publish('a', 'b')
      await port.adapter.settle([await probe.nth(1), await probe.nth(2)], ACK)
      await until(async () => (await port.unsettled()) === 0, 'both to be settled')
      // Servers before 2.11 may complain about their own files when the consumer is back before they have removed it.
      await port.jsm.consumers.delete(port.stream, 'worker').catch(() => false)
      await port.publish('c')
      await probe.arrival('c')
      expect(new Set(probe.texts)).toEqual(new Set(['a', 'b', 'c']))
    })

    it('JS-C2: a stream whose limits would delete the consumer makes attaching a conflict', async () => {
      await using port = await Port.open(server)
      const { config } = await port.jsm.streams.info(port.stream)
      await port.jsm.streams.update(port.stream, { ...config, consumer_limits: { inactive_threshold: 60_000_000_000 } })
      expect(await codeOfAsync(() => port.attach(1))).toBe('BUS_CONFLICT')
    })

    it('JS-C4: when the stream was made anew, the consumer begins with it', async () => {
      await using port = await Port.open(server)
      const { probe } = await port.attach(9)
      await port.publish('a', 'b', 'c')
      await port.adapter.settle([await probe.nth(1), await probe.nth(2), await probe.nth(3)], ACK)
      await port.jsm.streams.delete(port.stream)
      await port.provision(port.adapter)
      await port.publish('new')
      expect((await probe.arrival('new')).message.sequence).toBe(1)
    })

    it('JS-C3: a consumer that stands beyond the end of its stream is brought back', async () => {
      await using port = await Port.open(server)
      await port.publish('a', 'b')
      const { probe, feed } = await port.attach(9)
      await probe.nth(2)
      await port.adapter.settle(probe.deliveries, ACK)
      await until(async () => (await port.unsettled()) === 0, 'the first two')
      // The stream loses its end, as in a power cut; the consumer does not.
      const messages = join(server.storeDir, 'jetstream', '$G', 'streams', port.stream, 'msgs')
      const copy = `${messages}-copy`
      await cp(messages, copy, { recursive: true })
      await port.publish('c', 'd', 'e')
      await probe.nth(5)
      await port.adapter.settle(probe.deliveries.slice(2), ACK)
      await until(async () => (await port.unsettled()) === 0, 'the others')
      await feed.stop()
      await server.kill()
      await rm(messages, { recursive: true })
      await cp(copy, messages, { recursive: true })
      await rm(copy, { recursive: true })
      await server.restart()
      await until(async () => (await port.adapter.inspect()).connected, 'the link')
      const lastSequence = async () => (await port.jsm.streams.info(port.stream)).state.last_seq
      await until(async () => (await lastSequence().catch(() => 5)) < 5, 'the stream without its end')
      const again = await port.attach(9)
      await port.publish('new')
      await again.probe.arrival('new')
    }, 30_000)

    it('JS-C6: while the link is down the report says so', async () => {
      await using port = await Port.open(server)
      await port.attach(1)
      await server.kill()
      await until(async () => (await port.adapter.inspect()).notes.join().includes('connected'), 'the note')
      await server.restart()
      await until(async () => (await port.adapter.inspect()).notes.length === 0, 'the note to go')
    })
  })

  describe('stopping', () => {
    it('JS-R5: what a stopped feed was granted and had not started runs elsewhere within a second, as the first attempt', async () => {
      await using port = await Port.open(server)
      const first = await port.attach(5)
      await port.publish(...range(1, 5).map(String))
      await first.probe.nth(5)
      const second = await port.attach(5, {}, await port.another())
      const stopped = performance.now()
      await first.feed.stop()
      await port.adapter.settle(first.probe.deliveries, RELEASE)
      await second.probe.nth(5)
      expect(performance.now() - stopped).toBeLessThan(1000)
      expect(second.probe.deliveries.map(({ attempt }) => attempt)).toEqual([1, 1, 1, 1, 1])
    })

    it('JS-R6: settling after the adapter was closed is an error with a code', async () => {
      await using port = await Port.open(server)
      const { probe } = await port.attach(1)
      await port.publish('a')
      const delivery = nth([await probe.nth(1)], 0)
      await port.adapter.close()
      expect(await codeOfAsync(async () => port.adapter.settle([delivery], ACK))).toBe('BUS_CLOSED')
    })
  })
})
