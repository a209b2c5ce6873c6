/** What a JetStream server does with streams, dead letters and subjects, and that the bus survives it. Titles begin with the fact's code. */
import { randomBytes } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { securityNote } from '../../../adapters/jetstream/connect/server-version.js'
import { jetstream } from '../../../adapters/jetstream/index.js'
import { createBus } from '../../../src/bus.js'
import { Reject } from '../../../src/errors.js'
import type { MessageBus } from '../../../src/message-bus.js'
import type { StreamDefinition } from '../../../src/topology.js'
import { until } from '../../../testing/suite/expect.js'
import { codeOfAsync } from '../../code-of.js'
import { type NatsServer, startNats } from '../../servers/nats-server.js'
import { Port } from './port.js'

it('JS-S8: servers that deleted messages at the limit of deliveries are below the floor', () => {
  for (const version of ['2.12.3', '2.12.4']) expect(securityNote(version)).toContain(version)
  expect(securityNote('2.15.1')).toBeUndefined()
})

describe.each(['2.15', '2.10'] as const)('streams, server %s', (version) => {
  let server: NatsServer
  beforeAll(async () => {
    server = await startNats({ version })
  })
  afterAll(async () => {
    await server.stop()
  })

  interface Place {
    readonly bus: MessageBus
    readonly name: string
    readonly dead: string
  }

  async function open(dead: Partial<StreamDefinition> = {}): Promise<Place & AsyncDisposable> {
    const name = `f${randomBytes(5).toString('hex')}`
    const streams = [
      { name, subjects: [`${name}.in.>`] },
      { name: `${name}-dead`, subjects: [`${name}.dead.>`], ...dead },
    ]
    const bus = createBus({ adapter: jetstream({ servers: server.url }), streams })
    await bus.connect()
    return { bus, name, dead: `${name}.dead.worker`, [Symbol.asyncDispose]: async () => void (await bus.close()) }
  }

  it('JS-S10: a message is given up only after its dead letter was stored', async () => {
    await using place = await open({ maxMessages: 1 })
    const { bus, name, dead } = place
    await bus.publish(dead, 'the stream is full')
    await bus.publish(`${name}.in.a`, 'bad')
    const refuse = (): never => {
      throw new Reject('bad')
    }
    const pool = await bus.consume({ name: `${name}-worker`, stream: name }, refuse, { deadLetter: dead })
    const inFlight = async () => (await bus.inspect()).consumers.find(({ stream }) => stream === name)?.inFlight
    await until(() => pool.stats().failed > 1, 'a second attempt to bury it')
    expect([pool.stats().dead, await inFlight()]).toEqual([0, 1])
    for await (const message of bus.replay({ stream: `${name}-dead` })) {
      const port = await Port.open(server)
      await port.jsm.streams.deleteMessage(`${name}-dead`, message.sequence)
      await port[Symbol.asyncDispose]()
    }
    await until(async () => pool.stats().dead === 1 && (await inFlight()) === 0, 'the dead letter')
  })

  it('JS-F5: a handler that throws at once stops nothing', async () => {
    await using place = await open()
    const { bus, name, dead } = place
    const handled: unknown[] = []
    const handle = ({ data }: { readonly data: unknown }): void => {
      if (data === 'throws') throw new Error('at once')
      handled.push(data)
    }
    await bus.consume({ name: `${name}-worker`, stream: name }, handle, { deadLetter: dead, retry: { attempts: 1 } })
    for (const data of ['throws', 1, 'throws', 2]) await bus.publish(`${name}.in.a`, data)
    await until(() => handled.length === 2, 'the others')
    expect(handled).toEqual([1, 2])
  })

  it('JS-L3: a dead letter can be read again and again', async () => {
    await using place = await open()
    const { bus, name, dead } = place
    const refuse = (): never => {
      throw new Reject('bad')
    }
    const pool = await bus.consume({ name: `${name}-worker`, stream: name }, refuse, { deadLetter: dead })
    await bus.publish(`${name}.in.a`, 'bad')
    await until(() => pool.stats().dead === 1, 'the dead letter')
    for (const _ of [1, 2]) {
      const found: unknown[] = []
      for await (const letter of bus.deadLetters(`${name}-worker`, dead).list()) found.push(letter.data)
      expect(found).toEqual(['bad'])
    }
  })

  it('JS-L4: what can change is changed, what cannot is refused with both values, and the stream stays as it was', async () => {
    await using port = await Port.open(server)
    await port.provision(port.adapter, { maxMessages: 7 })
    expect((await port.jsm.streams.info(port.stream)).config.max_msgs).toBe(7)
    const change = () => port.provision(port.adapter, { storage: 'memory' })
    expect(await codeOfAsync(change)).toBe('BUS_CONFLICT')
    await expect(change()).rejects.toThrow(/file.*memory/)
    expect((await port.jsm.streams.info(port.stream)).config.storage).toBe('file')
  })

  it('JS-L5: storage and start are said, whatever the defaults of a server are', async () => {
    await using port = await Port.open(server)
    await port.attach(0)
    const { config } = await port.jsm.streams.info(port.stream)
    expect([config.storage, config.retention, config.discard]).toEqual(['file', 'limits', 'new'])
    expect((await port.jsm.consumers.info(port.stream, 'worker')).config.deliver_policy).toBe('all')
  })

  it('JS-H1: JS-H2: JS-H3: a subject with wildcards, empty tokens or spaces never reaches the server', async () => {
    await using place = await open()
    const { bus, name } = place
    const port = await Port.open(server)
    const heard: string[] = []
    port.raw.subscribe('>', { callback: (_, message) => void heard.push(message.subject) })
    await port.raw.flush()
    for (const tail of ['*', '>', '', '.x', 'a..b', 'a b', 'a\tb', 'a\r\nPUB x', '$JS.API'])
      expect(await codeOfAsync(() => bus.publish(`${name}.in.${tail}`, 1))).toBe('BUS_INVALID_SUBJECT')
    for (const subject of ['$JS.API.STREAM.DELETE.x', '$SYS.x', '_INBOX.x', '$KV.x'])
      expect(await codeOfAsync(() => bus.publish(subject, 1))).toBe('BUS_INVALID_SUBJECT')
    await port.raw.flush()
    expect(heard.filter((subject) => subject.startsWith(`${name}.in`))).toEqual([])
    await port[Symbol.asyncDispose]()
  })
})
