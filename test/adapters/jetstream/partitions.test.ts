/** A divided consumer on real servers: who serves which partition, also when processes are killed; and what it is on the server. */
import { randomBytes } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { partOf } from '../../../adapters/jetstream/consume/part.js'
import { jetstream } from '../../../adapters/jetstream/index.js'
import { createBus } from '../../../src/bus.js'
import { range, until } from '../../../testing/suite/expect.js'
import { codeOfAsync } from '../../code-of.js'
import { type NatsServer, startNats } from '../../servers/nats-server.js'
import { endedIn, overtakings, publishKeyed, type Step, untilLong, Worker } from './fixtures/ordered-workers.js'
import { Port } from './port.js'

const PARTITIONS = 4
const KEYS = range(1, 24).map((k) => `k${k}`)
const PER_ROUND = 10

describe('the partition of a message', () => {
  it('is given by FNV-1a of its key in UTF-8, and by its position when it has none', () => {
    // Test vectors of the FNV authors for 32-bit FNV-1a.
    for (const [key, hash] of [
      ['a', 0xe40c292c],
      ['foobar', 0xbf9cf968],
    ] as const)
      for (const partitions of [1, 2, 7, 64]) expect(partOf({ key, sequence: 9 }, partitions)).toBe(hash % partitions)
    expect(partOf({ key: 'ключ', sequence: 1 }, 64)).toBe(partOf({ key: 'ключ', sequence: 2 }, 64))
    expect(range(1, 6).map((sequence) => partOf({ key: undefined, sequence }, 3))).toEqual([1, 2, 0, 1, 2, 0])
  })

  it('is each of them for some of many keys', () => {
    for (const partitions of [2, PARTITIONS, 7])
      expect(new Set(KEYS.map((key) => partOf({ key, sequence: 1 }, partitions))).size).toBe(partitions)
  })
})

describe.each(['2.15', '2.10'] as const)('a divided consumer, server %s', (version) => {
  let server: NatsServer
  beforeAll(async () => {
    server = await startNats({ version })
  })
  afterAll(async () => {
    await server.stop()
  })

  it('is served by all of several processes; when one is killed with -9 the others take its parts, and every key keeps its order', {
    timeout: 90_000,
  }, async () => {
    const stream = `d${randomBytes(4).toString('hex')}`
    const subjects = `${stream}.>`
    const all: Worker[] = []
    const start = (): Worker => {
      const worker = new Worker([server.url, stream, subjects, 'divided', String(PARTITIONS)])
      all.push(worker)
      return worker
    }
    const steps = (): Step[] => all.flatMap((worker) => worker.steps)
    await using bus = createBus({
      adapter: jetstream({ servers: server.url }),
      streams: [{ name: stream, subjects: [subjects] }],
    })
    await bus.connect()
    let published = 0
    const publish = async (): Promise<void> => {
      await publishKeyed(bus, stream, KEYS, range(published + 1, published + PER_ROUND))
      published += PER_ROUND
    }
    const untilAllServe = async (workers: readonly Worker[]): Promise<void> => {
      await untilLong(() => workers.every((worker) => worker.isReady), 'the workers')
      const before = published
      const isServing = (worker: Worker): boolean => worker.steps.some(({ n }) => n > before)
      await untilLong(async () => {
        await publish()
        return workers.every(isServing)
      }, 'every process to serve a part')
    }
    const untilAllEnded = (what: string): Promise<void> =>
      untilLong(() => endedIn(steps()) === published * KEYS.length, what)

    const [doomed, ...others] = [start(), start(), start()]
    await untilAllServe([doomed, ...others])
    const publishing = publish()
    await doomed.kill()
    await publishing
    await untilAllEnded('the others to do the work of the killed one')
    const workers = [...others, start()]
    await untilAllServe(workers)
    await untilAllEnded('everything')
    await Promise.all(workers.map((worker) => worker.kill()))
    expect(overtakings(steps())).toEqual([])
  })

  it('gives work to each of two clients, and each key to one of them', async () => {
    const stream = `d${randomBytes(4).toString('hex')}`
    const make = () =>
      createBus({
        adapter: jetstream({ servers: server.url }),
        streams: [{ name: stream, subjects: [`${stream}.>`] }],
      })
    await using one = make()
    await using two = make()
    const handled = [new Map<string, number>(), new Map<string, number>()]
    let published = 0
    for (const [at, bus] of [one, two].entries()) {
      await bus.connect()
      await bus.consume({ name: 'both', stream, order: 'key', partitions: PARTITIONS }, ({ key = '', data }) => {
        handled[at]?.set(key, Number(data))
      })
    }
    const isDone = (): boolean =>
      KEYS.every((key) => handled.some((byKey) => byKey.get(key) === published)) &&
      handled.every(({ size }) => size > 0)
    await until(async () => {
      await publishKeyed(one, stream, KEYS, [++published])
      return handled.every(({ size }) => size > 0)
    }, 'both to handle something')
    await until(isDone, 'everything')
    // From here on nothing moves: two processes with two parts each.
    for (const byKey of handled) byKey.clear()
    await publishKeyed(one, stream, KEYS, [++published])
    await until(isDone, 'everything again')
    expect(KEYS.filter((key) => handled.every((byKey) => byKey.has(key)))).toEqual([])
    expect(handled.map(({ size }) => size).reduce((a, b) => a + b)).toBe(KEYS.length)
  })

  it('is one durable consumer for each partition, which have equal shares of what may be in flight', async () => {
    await using port = await Port.open(server)
    await port.attach(0, { order: 'key', partitions: 3, maxInFlight: 100 })
    const found: [string, number | undefined][] = []
    for await (const { name, config } of port.jsm.consumers.list(port.stream))
      found.push([name, config.max_ack_pending])
    expect(found.toSorted()).toEqual(range(0, 2).map((at) => [`worker~p${at}of3`, 33]))
  })

  it('is acknowledged in every partition, so that a stream of retention interest lets go of its messages', async () => {
    await using port = await Port.open(server, {}, { retention: 'interest' })
    const { probe } = await port.attach(10, { order: 'key', partitions: 3 })
    await port.send(KEYS.slice(0, 9).map((key) => port.outgoing(key, { key })))
    await probe.nth(9)
    await port.adapter.settle(probe.deliveries, { kind: 'ack' })
    await until(async () => (await port.jsm.streams.info(port.stream)).state.messages === 0, 'the stream to be empty')
  })

  it('cannot be made of a work queue', async () => {
    await using port = await Port.open(server, {}, { retention: 'workqueue' })
    expect(await codeOfAsync(() => port.attach(1, { order: 'key', partitions: 2 }))).toBe('BUS_UNSUPPORTED')
  })

  it('goes on when one of its durable consumers was deleted', async () => {
    await using port = await Port.open(server)
    const { probe } = await port.attach(100, { order: 'key', partitions: 2 })
    await port.send(KEYS.slice(0, 6).map((key) => port.outgoing(`${key} 1`, { key })))
    await probe.nth(6)
    await port.adapter.settle(probe.deliveries, { kind: 'ack' })
    // Servers before 2.11 may complain about their own files when the consumer is back before they have removed it.
    await port.jsm.consumers.delete(port.stream, 'worker~p1of2').catch(() => false)
    await port.send(KEYS.slice(0, 6).map((key) => port.outgoing(`${key} 2`, { key })))
    for (const key of KEYS.slice(0, 6)) await probe.arrival(`${key} 2`)
  })
})
