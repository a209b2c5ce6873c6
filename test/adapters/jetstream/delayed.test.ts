/** Delayed publishes: when they arrive, what they survive, and that nothing of it shows in the stream before. Titles begin with the fact's code. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { STATE_STREAM } from '../../../adapters/jetstream/names.js'
import type { Adapter, PublishOutcome } from '../../../src/adapter.js'
import { NO_HEADERS, type StoredMessage, withHeaders } from '../../../src/message.js'
import type { StreamDefinition } from '../../../src/topology.js'
import { notBefore, nth, pass, range, until } from '../../../testing/suite/expect.js'
import { textOf } from '../../../testing/suite/port-side.js'
import { type NatsServer, startNats } from '../../servers/nats-server.js'
import { StallingProxy } from './fixtures/stalling-proxy.js'
import { Port } from './port.js'

async function stored(port: Port, adapter: Adapter = port.adapter): Promise<StoredMessage[]> {
  const found: StoredMessage[] = []
  for await (const message of adapter.read({ stream: port.stream, filters: ['>'], from: 'all' })) found.push(message)
  return found
}

const texts = async (port: Port, adapter?: Adapter): Promise<string[]> => (await stored(port, adapter)).map(textOf)

async function delay(port: Port, text: string, delayMs: number, adapter: Adapter = port.adapter): Promise<void> {
  const [outcome] = await adapter.publish([port.outgoing(text, { delayMs })], 5000)
  expect(outcome).toEqual({ status: 'accepted', stream: port.stream, sequence: 0, duplicate: false })
}

const codeOf = (outcome: PublishOutcome | undefined): string | undefined =>
  outcome === undefined || outcome.status === 'accepted' ? undefined : outcome.error.code

const parked = async (port: Port): Promise<number | undefined> =>
  (await port.adapter.inspect()).streams.find(({ name }) => name === port.stream)?.delayed

/** From then on two processes share what falls due. */
async function bothPull(port: Port): Promise<void> {
  await delay(port, 'first', 20)
  const waiting = async () => (await port.jsm.consumers.info(STATE_STREAM, `delayed-${port.stream}`)).num_waiting
  await until(async () => (await waiting().catch(() => 0)) === 2, 'both to ask for messages')
}

describe.each(['2.15', '2.10'] as const)('delayed publishes, server %s', (version) => {
  let server: NatsServer
  beforeAll(async () => {
    server = await startNats({ version })
  })
  afterAll(async () => {
    await server.stop()
  })

  const open = (changes: Partial<StreamDefinition> = {}): Promise<Port> => Port.open(server, {}, changes)

  describe('when', () => {
    it('a message that waits on the server first comes neither early nor late', async () => {
      await using port = await open()
      const began = performance.now()
      await delay(port, 'later', 1300)
      await until(async () => (await stored(port)).length === 1, 'the message')
      notBefore(began, 1300, 'the message')
      expect(performance.now() - began).toBeLessThan(1300 + 1000)
    })

    it('messages arrive in the order of their times, those that wait on the server first as well', async () => {
      await using port = await open()
      const delays = range(0, 29).map((n) => 200 + ((n * 17) % 30) * 40)
      // One moment for all, since each delay is counted from its own publish.
      await port.send(delays.map((delayMs) => port.outgoing(`${delayMs}`, { delayMs })))
      await until(async () => (await stored(port)).length === delays.length, 'all of them')
      expect((await texts(port)).map(Number)).toEqual(delays.toSorted((a, b) => a - b))
    })
  })

  describe('once', () => {
    it('several processes move one stream together, and each message once', async () => {
      await using port = await open()
      await Promise.all([port.another(), port.another()])
      const sent = range(1, 150).map((n) => port.outgoing(`${n}`, { delayMs: 50 + (n % 10) * 80 }))
      await port.send(sent)
      await until(async () => (await stored(port)).length >= sent.length, 'all of them')
      await until(async () => (await parked(port)) === 0, 'the parking stream to empty')
      expect((await texts(port)).map(Number).sort((a, b) => a - b)).toEqual(range(1, 150))
    })

    it('a stream without a window of ids gets each message once, too', async () => {
      await using port = await open({ dedupWindow: 0 })
      await port.send(range(1, 50).map((n) => port.outgoing(`${n}`, { delayMs: 100 })))
      await until(async () => (await parked(port)) === 0, 'all of them')
      expect(await stored(port)).toHaveLength(50)
    })

    it('an id that is parked is taken: the same message is a duplicate, in another process too, and another one a conflict', async () => {
      await using port = await open()
      const other = await port.another()
      const message = port.outgoing('x', { id: 'mine', delayMs: 60_000 })
      const outcomes = [
        ...(await port.send([message])),
        ...(await other.publish([message], 5000)),
        ...(await port.send([port.outgoing('y', { id: 'mine', delayMs: 60_000 })])),
        ...(await port.send([{ ...message, subject: port.to('b') }])),
      ]
      expect(outcomes.map((each) => (each.status === 'accepted' ? each.duplicate : codeOf(each)))).toEqual([
        false,
        true,
        'BUS_ID_CONFLICT',
        'BUS_ID_CONFLICT',
      ])
      expect(await parked(port)).toBe(1)
    })

    it('a redrive has a window id of its own, and keeps its message id', async () => {
      await using port = await open()
      await port.send([port.outgoing('x', { id: 'mine' })])
      await port.send([port.outgoing('x', { id: 'mine', dedupId: 'mine again', delayMs: 30 })])
      await until(async () => (await stored(port)).length === 2, 'the redrive')
      expect((await stored(port)).map(({ id }) => id)).toEqual(['mine', 'mine'])
    })
  })

  describe('apart', () => {
    it('JS-L6: until it is due, no reader and no limit of the stream sees a message, and nothing of the parking shows in it then', async () => {
      await using port = await open({ maxMessages: 1 })
      const headers = withHeaders(NO_HEADERS, { tenant: 'zürich %' })
      const passing: string[] = []
      await port.adapter.listen('>', (signal) => passing.push(signal.subject))
      await port.send([port.outgoing('later', { id: 'ä', key: 'k', headers, delayMs: 200 })])
      expect((await port.jsm.streams.info(port.stream)).state.messages).toBe(0)
      await until(async () => (await stored(port)).length === 1, 'the message')
      const { id, key, subject, headers: own } = nth(await stored(port), 0)
      expect([id, key, subject, { ...own }]).toEqual(['ä', 'k', port.to('a'), { tenant: 'zürich %' }])
      const raw = await port.jsm.streams.getMessage(port.stream, { seq: 1 })
      expect(raw?.header.keys().sort()).toEqual(
        ['Busbar-Escaped', 'Busbar-Key', 'Nats-Expected-Stream', 'Nats-Msg-Id', 'tenant'].sort(),
      )
    })

    it('JS-L1: the parking stream has no limit that could drop a message', async () => {
      await using port = await open()
      const { config } = await port.jsm.streams.info(STATE_STREAM)
      expect([config.storage, config.retention, config.max_age, config.max_msgs, config.max_bytes]).toEqual([
        'file',
        'limits',
        0,
        -1,
        -1,
      ])
    })

    it('JS-L2: a message whose stream is full waits until there is room', async () => {
      await using port = await open({ maxMessages: 1 })
      await port.publish('first')
      await delay(port, 'waits', 30)
      await pass(200)
      expect([await texts(port), await parked(port)]).toEqual([['first'], 1])
      await port.adapter.remove(port.stream, [1])
      await until(async () => (await texts(port))[0] === 'waits', 'the message')
    })

    it('JS-P6: what the stream would refuse for its size is refused at once, and nothing is parked', async () => {
      await using port = await open({ maxMessageBytes: 1000 })
      const [outcome] = await port.send([port.outgoing(new Uint8Array(1001), { delayMs: 50 })])
      expect([codeOf(outcome), await parked(port)]).toEqual(['BUS_TOO_LARGE', 0])
    })

    it('a stream that somebody else declared is found, and its messages are moved', async () => {
      await using port = await open()
      const stranger = await port.another()
      const foreign = `${port.stream}-foreign`
      await port.jsm.streams.add({ name: foreign, subjects: [`foreign.${port.stream}.>`] })
      const message = port.outgoing('x', { subject: `foreign.${port.stream}.a`, delayMs: 50 })
      expect(await stranger.publish([message], 5000)).toMatchObject([{ status: 'accepted', stream: foreign }])
      await until(async () => (await port.jsm.streams.info(foreign)).state.messages === 1, 'the message')
    })
  })

  describe('survives', () => {
    it('JS-C1: a consumer of the parking stream that was deleted is made anew', async () => {
      await using port = await open()
      const mover = `delayed-${port.stream}`
      const createdAt = async () => (await port.jsm.consumers.info(STATE_STREAM, mover)).created
      await delay(port, '1', 20)
      await until(async () => (await stored(port)).length === 1, 'the first')
      const before = await createdAt()
      // A server of the older line may fail over a file of it, and has deleted it all the same.
      await port.jsm.consumers.delete(STATE_STREAM, mover).catch(() => {})
      await delay(port, '2', 20)
      await until(async () => (await stored(port)).length === 2, 'the second')
      expect(await createdAt()).not.toBe(before)
    })

    it('a publisher that closed while it held messages: another process moves them in time', async () => {
      await using port = await open()
      const publisher = await port.another()
      await bothPull(port)
      const began = performance.now()
      await publisher.publish(
        range(1, 20).map((n) => port.outgoing(`${n}`, { delayMs: 400 })),
        5000,
      )
      await publisher.close()
      await until(async () => (await stored(port)).length === 21, 'all of them')
      expect(performance.now() - began).toBeLessThan(400 + 1500)
    })

    it('the end of every process: the next one that declares the stream moves it', async () => {
      await using port = await open()
      const definition = { maxMessages: 10 }
      await delay(port, 'later', 100)
      await port.adapter.close()
      await using next = await open()
      await port.provision(next.adapter, definition)
      await until(async () => (await texts(port, next.adapter)).length === 1, 'the message')
    })
  })
})

describe('delayed publishes and a server or a process that dies', () => {
  it('messages that are parked when the server is killed and restarted come, and come once', async () => {
    const server = await startNats({ version: '2.15' })
    try {
      await using port = await Port.open(server)
      await port.send(range(1, 40).map((n) => port.outgoing(`${n}`, { delayMs: n * 50 })))
      await server.restart()
      await until(async () => (await port.adapter.inspect()).connected, 'the server')
      await until(async () => (await stored(port)).length >= 40, 'all of them')
      await until(async () => (await parked(port)) === 0, 'the parking stream to empty')
      expect((await texts(port)).map(Number).sort((a, b) => a - b)).toEqual(range(1, 40))
    } finally {
      await server.stop()
    }
  })

  it('a publish with a delay while the server is away is accepted when it is back in time, once', async () => {
    const server = await startNats({ version: '2.15' })
    try {
      await using port = await Port.open(server)
      const restarting = server.restart()
      const sent = range(1, 20).map((n) => port.send([port.outgoing(`${n}`, { delayMs: 50 })], 8000))
      await restarting
      const outcomes = (await Promise.all(sent)).flat()
      expect(outcomes.map(({ status }) => status)).toEqual(range(1, 20).map(() => 'accepted'))
      await until(async () => (await stored(port)).length >= 20, 'all of them')
      expect(new Set(await texts(port)).size).toBe(20)
      expect(await stored(port)).toHaveLength(20)
    } finally {
      await server.stop()
    }
  })

  it('a process that hangs while it holds messages: another one moves them after the ack wait', {
    timeout: 30_000,
  }, async () => {
    const server = await startNats({ version: '2.15' })
    const proxy = await StallingProxy.start(server.port)
    try {
      await using port = await Port.open(server)
      const hanging = await port.another({ servers: `nats://127.0.0.1:${proxy.port}` })
      await bothPull(port)
      const sent = range(1, 20).map((n) => port.outgoing(`${n}`, { delayMs: 400 }))
      await hanging.publish(sent, 5000)
      proxy.stall()
      await until(async () => (await stored(port)).length > 1, 'what is not held by the process that hangs')
      await pass(300)
      expect((await stored(port)).length).toBeLessThan(21)
      await until(async () => (await stored(port)).length === 21, 'the others')
      await until(async () => (await parked(port)) === 0, 'the parking stream to empty')
      expect(await stored(port)).toHaveLength(21)
    } finally {
      await proxy.close()
      await server.stop()
    }
  })
})
