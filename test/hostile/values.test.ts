/**
 * Numbers, durations and times: taken as they are or refused, before anything is sent; and what one backend takes the others take.
 */
import { setTimeout as wait } from 'node:timers/promises'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { jetstream } from '../../adapters/jetstream/index.js'
import { memory } from '../../adapters/memory/index.js'
import { type ConsumerDefinition, createBus, type MessageBus, type PoolOptions } from '../../src/index.js'
import { until } from '../../testing/suite/expect.js'
import { type NatsServer, startNats } from '../servers/nats-server.js'
import { codeOfCall, Neighbour } from './neighbour.js'
import { PATIENCE, runs } from './runs.js'
import { number } from './words.js'

const LONGEST = 2 ** 31 - 1
const noop = (): void => {}
const first = (all: AsyncIterable<unknown>): Promise<unknown> => all[Symbol.asyncIterator]().next()

type Set = (bus: MessageBus, value: never) => unknown
interface Field {
  readonly set: Set
  readonly isFit: (value: unknown) => boolean
}

const consume = (bus: MessageBus, definition: object, options: object = {}): Promise<unknown> =>
  bus.consume({ name: 'c', stream: 's', ...definition } as ConsumerDefinition, noop, options as PoolOptions)

/** A whole number within bounds. */
function whole(min: number, max: number, set: Set): Field {
  return { set, isFit: (value) => Number.isSafeInteger(value) && Number(value) >= min && Number(value) <= max }
}

const UNIT = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const

/** A number of ms, or text with a unit. */
function duration(min: number, set: Set): Field {
  const msOf = (value: unknown): number => {
    if (typeof value !== 'string') return typeof value === 'number' ? value : Number.NaN
    const unit = (['ms', 's', 'm', 'h', 'd'] as const).find(
      (each) => /^[0-9]+(\.[0-9]+)?$/.test(value.slice(0, -each.length)) && value.endsWith(each),
    )
    return unit === undefined ? Number.NaN : Math.round(Number(value.slice(0, -unit.length)) * UNIT[unit])
  }
  return { set, isFit: (value) => msOf(value) >= min && msOf(value) <= LONGEST }
}

const FIELDS: Readonly<Record<string, Field>> = {
  concurrency: whole(1, 10_000, (bus, concurrency) => consume(bus, {}, { concurrency })),
  prefetch: whole(0, 10_000, (bus, prefetch) => consume(bus, {}, { concurrency: 1, prefetch })),
  'batch size': whole(1, 10_000, (bus, size) => consume(bus, {}, { batch: { size } })),
  attempts: whole(1, 1000, (bus, attempts) => consume(bus, {}, { retry: { attempts } })),
  jitter: {
    set: (bus, jitter) => consume(bus, {}, { retry: { jitter } }),
    isFit: (value) => typeof value === 'number' && value >= 0 && value <= 1,
  },
  maxInFlight: whole(1, 1_000_000, (bus, maxInFlight) =>
    consume(bus, { name: 'm', maxInFlight: maxInFlight as number }),
  ),
  partitions: whole(1, 64, (bus, partitions) => consume(bus, { order: 'key', partitions: partitions as number })),
  'a first sequence': whole(1, Number.MAX_SAFE_INTEGER, (bus, sequence) =>
    first(bus.replay({ stream: 's', from: { sequence } })),
  ),
  'a last sequence': whole(1, Number.MAX_SAFE_INTEGER, (bus, sequence) =>
    first(bus.replay({ stream: 's', to: { sequence } })),
  ),
  'a position': whole(1, Number.MAX_SAFE_INTEGER, (bus, sequence) => bus.get('s', sequence)),
  'a limit': whole(1, Number.MAX_SAFE_INTEGER, (bus, limit) => first(bus.replay({ stream: 's', limit }))),
  ackWait: duration(50, (bus, ackWait) => consume(bus, { ackWait: ackWait as number })),
  'a time limit': duration(0, (bus, timeout) => consume(bus, {}, { timeout })),
  'a dedup window': duration(0, (bus, dedup) => consume(bus, {}, { dedup })),
  'the base of a backoff': duration(0, (bus, base) => consume(bus, {}, { retry: { base } })),
  'the limit of a backoff': duration(0, (bus, max) => consume(bus, {}, { retry: { max } })),
  'a wait of a backoff': duration(0, (bus, each) => consume(bus, {}, { retry: { backoff: [each] } })),
  'how long a batch waits': duration(0, (bus, within) => consume(bus, {}, { batch: { size: 2, within } })),
  'how long a publish waits': duration(1, (bus, timeout) => bus.publish('s.a', 1, { timeout })),
  'a delay': duration(0, (bus, delay) => bus.publish('s.a', 1, { delay })),
  'how long a stop takes': duration(0, (_, shutdownWithin) =>
    createBus({ adapter: memory(), defaults: { shutdownWithin } }),
  ),
}

describe('numbers', () => {
  let bus: MessageBus
  let neighbour: Neighbour
  beforeAll(async () => {
    const streams = [{ name: 's', subjects: ['s.>'], maxMessages: 10, discard: 'old' as const }, Neighbour.stream()]
    bus = createBus({ adapter: memory(), streams })
    await bus.connect()
    neighbour = await Neighbour.of(bus)
  })
  afterAll(async () => {
    await neighbour.assertUndisturbed()
    await bus.close()
  })

  it('are taken by every option if and only if they are within its bounds', PATIENCE, async () => {
    const one = fc.asyncProperty(fc.constantFrom(...Object.entries(FIELDS)), number, async ([name, field], value) => {
      // The same name with another definition is a conflict, which is another test's business.
      const code = await codeOfCall(() => field.set(bus, value as never))
      const isTaken = code === undefined || code === 'BUS_CONFLICT'
      const meansDefault = value === undefined
      expect([name, isTaken, meansDefault || isTaken || code]).toEqual([
        name,
        field.isFit(value),
        isTaken || 'BUS_INVALID_OPTION',
      ])
    })
    await fc.assert(one, runs(900))
  })

  it('a time limit of the longest wait does not end at once', async () => {
    const aborted: boolean[] = []
    const look = async (_: unknown, { signal }: { readonly signal: AbortSignal }): Promise<void> => {
      await wait(20)
      aborted.push(signal.aborted)
    }
    const pool = await bus.consume({ name: 'long', stream: 's', filter: 's.long', ackWait: LONGEST }, look, {
      timeout: LONGEST,
    })
    await bus.publish('s.long', 1, { timeout: LONGEST })
    await until(() => aborted.length === 1, 'the handler')
    expect(aborted).toEqual([false])
    await pool.stop()
  })
})

describe('definitions with any accepted number', () => {
  let server: NatsServer
  let open: (streams: readonly object[]) => Promise<MessageBus>
  beforeAll(async () => {
    server = await startNats()
    open = async (streams) => {
      const bus = createBus({ adapter: jetstream({ servers: server.url }), streams: streams as never })
      await bus.connect()
      return bus
    }
    return () => server.stop()
  })

  const ms = (min: number): fc.Arbitrary<number> => fc.double({ min, max: LONGEST, noNaN: true })

  it('a consumer is the same when it is declared once more, fractions of a ms included', PATIENCE, async () => {
    await using bus = await open([{ name: 's', subjects: ['s.>'] }])
    let consumers = 0
    const one = fc.asyncProperty(ms(50), fc.integer({ min: 1, max: 1_000_000 }), async (ackWait, maxInFlight) => {
      const definition = { name: `c${++consumers}`, stream: 's', ackWait, maxInFlight }
      for (const _ of [1, 2]) await (await bus.consume(definition, noop)).stop()
    })
    await fc.assert(one, runs(10))
  })

  it('a stream is the same when it is declared once more, fractions of a ms included', PATIENCE, async () => {
    let streams = 0
    const one = fc.asyncProperty(
      ms(100),
      ms(1),
      fc.integer({ min: 1, max: LONGEST }),
      async (window, maxAge, maxBytes) => {
        const name = `n${++streams}`
        const dedupWindow = Math.min(window, maxAge)
        fc.pre(dedupWindow >= 100)
        for (const _ of [1, 2]) {
          const bus = await open([{ name, subjects: [`${name}.>`], dedupWindow, maxAge, maxBytes }])
          await bus.close()
        }
      },
    )
    await fc.assert(one, runs(6))
  })

  it('a time is before or after the messages as it says, in every year', PATIENCE, async () => {
    const streams = [{ name: 't', subjects: ['t.>'] }]
    const inMemory = createBus({ adapter: memory(), streams })
    await inMemory.connect()
    await using far = await open(streams)
    for (const bus of [inMemory, far]) await bus.publish('t.a', 1)
    const day = 86_400_000
    const past = fc.oneof(
      fc.constantFrom(0, 1.5, '1970-01-01T00:00:00Z'),
      fc.double({ min: 0, max: Date.now() - day, noNaN: true }),
    )
    const future = fc.oneof(
      fc.constantFrom(8.64e15, '9999-12-31T23:59:59Z', '2262-04-11T23:47:17Z'),
      fc.double({ min: Date.now() + day, max: 8.64e15, noNaN: true }),
    )
    const count = async (bus: MessageBus, range: object): Promise<number> => {
      let found = 0
      for await (const _ of bus.replay({ stream: 't', ...range })) found++
      return found
    }
    const one = fc.asyncProperty(past, future, async (early, late) => {
      for (const bus of [inMemory, far]) {
        const found = [{ from: early }, { from: late }, { to: early }, { to: late }].map(({ from, to }) =>
          count(bus, from === undefined ? { to: { time: to } } : { from: { time: from } }),
        )
        expect(await Promise.all(found)).toEqual([1, 0, 0, 1])
      }
    })
    await fc.assert(one, runs(12))
    await inMemory.close()
  })
})
