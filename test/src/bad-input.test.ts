/** Bad input to a bus: each is refused with its code, and nothing has happened afterwards. */
import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { jetstream } from '../../adapters/jetstream/index.js'
import { memory } from '../../adapters/memory/index.js'
import {
  type ConsumerDefinition,
  createBus,
  type MessageBus,
  NotAcceptedError,
  PublishBatchError,
  type PublishOptions,
  topic,
} from '../../src/index.js'
import { until } from '../../testing/suite/expect.js'
import { codeOf, codeOfAsync } from '../code-of.js'

const orders = topic('s.{id}', { schema: z.object({ total: z.number() }) })
const noop = (): void => {}

async function open(): Promise<MessageBus> {
  const streams = [{ name: 's', subjects: ['s.>'], maxMessageBytes: 1000 }]
  const bus = createBus({ adapter: memory(), streams })
  await bus.connect()
  return bus
}

/** Everything that a bad call must not have changed. */
async function traces(bus: MessageBus): Promise<unknown> {
  const { streams, consumers, pools } = await bus.inspect()
  return { messages: streams.map(({ lastSequence, delayed }) => [lastSequence, delayed]), consumers, pools }
}

/** Runs a bad call on a fresh bus and tells its code, after a look for traces. */
async function refusal(call: (bus: MessageBus) => unknown): Promise<string | undefined> {
  await using bus = await open()
  const before = await traces(bus)
  const code = await codeOfAsync(() => call(bus))
  expect(await traces(bus)).toEqual(before)
  return code
}

const cycle: unknown[] = []
cycle.push(cycle)

type Case = readonly [what: string, code: string, call: (bus: MessageBus) => unknown]
const options = (bad: unknown) => bad as PublishOptions
const definition = (bad: object) => ({ name: 'c', stream: 's', ...bad }) as ConsumerDefinition

const publishing: readonly Case[] = [
  ['a wildcard', 'BUS_INVALID_SUBJECT', (bus) => bus.publish('s.*', 1)],
  ['a line break', 'BUS_INVALID_SUBJECT', (bus) => bus.publish('s.a\r\nPUB x', 1)],
  ['a server subject', 'BUS_INVALID_SUBJECT', (bus) => bus.publish('$JS.API.STREAM.PURGE.s', 1)],
  ['an inbox', 'BUS_INVALID_SUBJECT', (bus) => bus.publish('_INBOX.x', 1)],
  ['no subject', 'BUS_INVALID_SUBJECT', (bus) => bus.publish('', 1)],
  ['a subject that is not one', 'BUS_INVALID_SUBJECT', (bus) => bus.publish(null as unknown as string, 1)],
  ['a topic in place of an address', 'BUS_INVALID_SUBJECT', (bus) => bus.publish(orders as unknown as string, 1)],
  ['a subject that no stream takes', 'BUS_NO_STREAM', (bus) => bus.publish('elsewhere', 1)],
  ['the wrong payload for a topic', 'BUS_INVALID_MESSAGE', (bus) => bus.publish(orders.at({ id: '1' }), wrong)],
  ['a cyclic payload', 'BUS_INVALID_MESSAGE', (bus) => bus.publish('s.a', cycle)],
  ['undefined', 'BUS_INVALID_MESSAGE', (bus) => bus.publish('s.a', undefined)],
  ['a BigInt', 'BUS_INVALID_MESSAGE', (bus) => bus.publish('s.a', { n: 1n })],
  ['a Map', 'BUS_INVALID_MESSAGE', (bus) => bus.publish('s.a', new Map())],
  ['a payload over the limit', 'BUS_TOO_LARGE', (bus) => bus.publish('s.a', 'x'.repeat(999))],
  [
    'headers over the limit',
    'BUS_TOO_LARGE',
    (bus) => bus.publish('s.a', 'x'.repeat(900), { headers: { name: 'x'.repeat(200) } }),
  ],
  ['an empty id', 'BUS_INVALID_MESSAGE', (bus) => bus.publish('s.a', 1, { id: '' })],
  ['a key with a line break', 'BUS_INVALID_MESSAGE', (bus) => bus.publish('s.a', 1, { key: 'a\nb' })],
  ['a reserved header', 'BUS_INVALID_MESSAGE', (bus) => bus.publish('s.a', 1, { headers: { 'nats-rollup': 'all' } })],
  ['a bad delay', 'BUS_INVALID_OPTION', (bus) => bus.publish('s.a', 1, options({ delay: 'soon' }))],
  ['a delay beyond all timers', 'BUS_INVALID_OPTION', (bus) => bus.publish('s.a', 1, { delay: '30d' })],
  ['a timeout of nothing', 'BUS_INVALID_OPTION', (bus) => bus.publish('s.a', 1, { timeout: 0 })],
  ['a signal that aborted before', 'BUS_TIMEOUT', (bus) => bus.publish('s.a', 1, { signal: AbortSignal.abort() })],
]

const wrong = { total: '1' } as unknown as { total: number }

const consuming: readonly Case[] = [
  ['a bad name', 'BUS_INVALID_OPTION', (bus) => bus.consume(definition({ name: 'a b' }), noop)],
  ['no handler', 'BUS_INVALID_OPTION', (bus) => bus.consume(definition({}), undefined as unknown as typeof noop)],
  ['a bad pattern', 'BUS_INVALID_SUBJECT', (bus) => bus.consume(definition({ filter: 's..a' }), noop)],
  ['an empty list of filters', 'BUS_INVALID_OPTION', (bus) => bus.consume(definition({ filter: [] }), noop)],
  ['a bad ack wait', 'BUS_INVALID_OPTION', (bus) => bus.consume(definition({ ackWait: 'soon' }), noop)],
  ['an unknown order', 'BUS_INVALID_OPTION', (bus) => bus.consume(definition({ order: 'all' }), noop)],
  ['an unknown start', 'BUS_INVALID_OPTION', (bus) => bus.consume(definition({ from: 'first' }), noop)],
  ['no workers', 'BUS_INVALID_OPTION', (bus) => bus.consume(definition({}), noop, { concurrency: 0 })],
  ['half a worker', 'BUS_INVALID_OPTION', (bus) => bus.consume(definition({}), noop, { concurrency: 1.5 })],
  ['a negative prefetch', 'BUS_INVALID_OPTION', (bus) => bus.consume(definition({}), noop, { prefetch: -1 })],
  ['a bad retry policy', 'BUS_INVALID_OPTION', (bus) => bus.consume(definition({}), noop, { retry: { attempts: 0 } })],
  ['an empty batch', 'BUS_INVALID_OPTION', (bus) => bus.consume(definition({}), noop, { batch: { size: 0 } })],
  [
    'a bad place for the dead',
    'BUS_INVALID_SUBJECT',
    (bus) => bus.consume(definition({}), noop, { deadLetter: 'a.>' }),
  ],
  ['dead letters nowhere', 'BUS_NO_STREAM', (bus) => bus.consume(definition({}), noop, { deadLetter: 'nowhere' })],
  ['an unknown stream', 'BUS_NOT_FOUND', (bus) => bus.consume(definition({ stream: 'other' }), noop)],
]

const others: readonly Case[] = [
  ['subscribe to a bad pattern', 'BUS_INVALID_SUBJECT', (bus) => bus.subscribe('a..b', noop)],
  ['subscribe without a handler', 'BUS_INVALID_OPTION', (bus) => bus.subscribe('a', 1 as unknown as typeof noop)],
  ['respond to a bad pattern', 'BUS_INVALID_SUBJECT', (bus) => bus.respond('>.a', noop)],
  ['a request to a pattern', 'BUS_INVALID_SUBJECT', (bus) => bus.request('a.*', 1)],
  ['a request that nobody answers', 'BUS_NOT_FOUND', (bus) => bus.request('nobody', 1)],
  ['a request with a bad timeout', 'BUS_INVALID_OPTION', (bus) => bus.request('a', 1, { timeout: 0 })],
  ['a signal that a stream would store', 'BUS_CONFLICT', (bus) => bus.signal('s.a', 1)],
  ['a signal that cannot be encoded', 'BUS_INVALID_MESSAGE', (bus) => bus.signal('a', cycle)],
  ['get from sequence 0', 'BUS_INVALID_OPTION', (bus) => bus.get('s', 0)],
  ['get from a bad stream name', 'BUS_INVALID_OPTION', (bus) => bus.get('a b', 1)],
  ['get from an unknown stream', 'BUS_NOT_FOUND', (bus) => bus.get('other', 1)],
  ['last of a pattern', 'BUS_INVALID_SUBJECT', (bus) => bus.last('s.*')],
  ['last of a subject that no stream takes', 'BUS_NO_STREAM', (bus) => bus.last('elsewhere')],
  ['a replay from nowhere', 'BUS_NOT_FOUND', (bus) => first(bus.replay({ stream: 'other' }))],
  ['a replay with a bad limit', 'BUS_INVALID_OPTION', (bus) => first(bus.replay({ stream: 's', limit: 0 }))],
  ['dead letters of a bad name', 'BUS_INVALID_OPTION', (bus) => bus.deadLetters('a b')],
  ['close with a bad deadline', 'BUS_INVALID_OPTION', (bus) => bus.close({ within: -1 })],
]

/** Everything that takes an object of options, or none. */
const optional: readonly (readonly [what: string, call: (bus: MessageBus, bad: never) => unknown])[] = [
  ['publish', (bus, bad) => bus.publish('s.a', 1, bad)],
  ['publishBatch', (bus, bad) => bus.publishBatch([{ to: 's.a', data: 1 }], bad)],
  ['an entry of publishBatch', (bus, bad) => bus.publishBatch([{ to: 's.a', data: 1, options: bad }])],
  ['signal', (bus, bad) => bus.signal('a', 1, bad)],
  ['subscribe', (bus, bad) => bus.subscribe('s.>', noop, bad)],
  ['consume', (bus, bad) => bus.consume(definition({}), noop, bad)],
  ['request', (bus, bad) => bus.request('a', 1, bad)],
  ['close', (bus, bad) => bus.close(bad)],
  ['list', (bus, bad) => first(bus.deadLetters('c').list(bad))],
  ['redrive', (bus, bad) => bus.deadLetters('c').redrive(bad)],
  ['discard', (bus, bad) => bus.deadLetters('c').discard(bad)],
  ['memory', (_, bad) => memory(bad)],
  ['jetstream', (_, bad) => jetstream(bad)],
]

function first(all: AsyncIterable<unknown>): Promise<unknown> {
  return all[Symbol.asyncIterator]().next()
}

describe('bad input has no effect and a code', () => {
  for (const [kind, cases] of Object.entries({ 'publish with': publishing, 'consume with': consuming, '': others })) {
    for (const [what, code, call] of cases) {
      it(`${kind} ${what}: ${code}`, async () => {
        expect(await refusal(call)).toBe(code)
      })
    }
  }
})

describe('options that are no object', () => {
  const badOptions = [null, 5, 'x', true] as readonly unknown[] as readonly never[]

  it.each(optional)('are refused by %s, without effect', async (_, call) => {
    for (const bad of badOptions) expect(await refusal((bus) => call(bus, bad))).toBe('BUS_INVALID_OPTION')
  })

  it('do not stop a pool', async () => {
    await using bus = await open()
    const handled: unknown[] = []
    const pool = await bus.consume(definition({}), ({ data }) => void handled.push(data))
    for (const bad of badOptions) expect(await codeOfAsync(() => pool.stop(bad))).toBe('BUS_INVALID_OPTION')
    await bus.publish('s.a', 1)
    await until(() => handled.length === 1, 'the pool to go on')
    expect(await pool.stop()).toMatchObject({ aborted: 0 })
  })
})

describe('a publish', () => {
  it('that is refused is known not to be stored', async () => {
    await using bus = await open()
    for (const call of [() => bus.publish('s.*', 1), () => bus.publish('elsewhere', 1), () => bus.publish('s.a', 1n)])
      await expect(call()).rejects.toBeInstanceOf(NotAcceptedError)
  })

  it('exactly at the limit is taken, and one byte more is not', async () => {
    await using bus = await open()
    await bus.publish('s.a', 'x'.repeat(998))
    expect(await codeOfAsync(() => bus.publish('s.a', 'x'.repeat(999)))).toBe('BUS_TOO_LARGE')
  })

  it('of an id that was used for other content is a conflict', async () => {
    await using bus = await open()
    await bus.publish('s.a', 1, { id: 'x' })
    expect(await codeOfAsync(() => bus.publish('s.a', 2, { id: 'x' }))).toBe('BUS_ID_CONFLICT')
    expect(await codeOfAsync(() => bus.publish('s.b', 1, { id: 'x' }))).toBe('BUS_ID_CONFLICT')
    expect(await bus.publish('s.a', 1, { id: 'X' })).toMatchObject({ duplicate: false, sequence: 2 })
  })
})

describe('a batch', () => {
  it('with one bad entry stores none', async () => {
    const good = { to: 's.a', data: 1 }
    for (const [bad, code] of [
      [{ to: 's.*', data: 1 }, 'BUS_INVALID_SUBJECT'],
      [{ to: 's.a', data: 1n }, 'BUS_INVALID_MESSAGE'],
      [{ to: orders.at({ id: '1' }), data: wrong }, 'BUS_INVALID_MESSAGE'],
    ] as const)
      expect(await refusal((bus) => bus.publishBatch([good, bad, good]))).toBe(code)
  })

  it('tells of each entry what became of it when the backend refuses some', async () => {
    await using bus = await open()
    const big = { to: 's.a', data: 'x'.repeat(2000) }
    const thrown: unknown = await bus.publishBatch([{ to: 's.a', data: 1 }, big]).catch((error: unknown) => error)
    expect(thrown).toBeInstanceOf(PublishBatchError)
    const { outcomes } = thrown as PublishBatchError
    expect(outcomes[0]).toMatchObject({ stream: 's', sequence: 1 })
    expect(outcomes[1]).toBeInstanceOf(NotAcceptedError)
    expect(outcomes[1]).toMatchObject({ code: 'BUS_TOO_LARGE' })
  })
})

describe('a consumer name', () => {
  it('that runs here with another definition is a conflict, and the running pool goes on', async () => {
    await using bus = await open()
    await bus.consume(definition({}), noop)
    expect(await codeOfAsync(() => bus.consume(definition({ ackWait: '5s' }), noop))).toBe('BUS_CONFLICT')
    expect(await codeOfAsync(() => bus.consume(definition({ filter: 's.a' }), noop))).toBe('BUS_CONFLICT')
    expect((await bus.inspect()).pools.map((pool) => pool.consumer)).toEqual(['c'])
  })

  it('that exists with another definition is a conflict', async () => {
    await using bus = await open()
    const pool = await bus.consume(definition({}), noop)
    await pool.stop()
    expect(await codeOfAsync(() => bus.consume(definition({ filter: 's.a' }), noop))).toBe('BUS_CONFLICT')
  })
})

describe('a bus', () => {
  it('is refused as a whole before it is opened', () => {
    expect(codeOf(() => createBus({ adapter: memory(), streams: [{ name: 'a b', subjects: ['a'] }] }))).toBe(
      'BUS_INVALID_OPTION',
    )
    expect(codeOf(() => Reflect.apply(createBus, undefined, []))).toBe('BUS_INVALID_OPTION')
  })
})
