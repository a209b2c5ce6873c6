/** Every public call with values of the wrong kind: accepted, or refused with a code; never a raw error, and nobody beside it notices. */
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { memory } from '../../adapters/memory/index.js'
import { createBus, type MessageBus, subject, topic } from '../../src/index.js'
import { codeOfCall, endOf, Neighbour } from './neighbour.js'
import { PATIENCE, runs } from './runs.js'
import { junk } from './words.js'

/** The bus as a program without types sees it. */
type Untyped = Readonly<Record<keyof MessageBus, (...values: readonly unknown[]) => unknown>>

const anything = { '~standard': { version: 1, vendor: 'test', validate: (value: unknown) => ({ value }) } } as const
const noted = topic('s.{id}', { schema: anything })
const noop = (): void => {}
const streams = [{ name: 's', subjects: ['s.>'], maxMessages: 100, discard: 'old' as const }, Neighbour.stream()]

/** Reads one, which is when a generator begins. */
async function first(all: unknown): Promise<unknown> {
  return (all as AsyncIterable<unknown>)[Symbol.asyncIterator]().next()
}

type Call = (bus: Untyped, a: unknown, b: unknown) => unknown

/** Each with one or two places for a hostile value. */
const CALLS: Readonly<Record<string, Call>> = {
  'publish to': (bus, a, b) => bus.publish(a, b),
  'publish with options': (bus, a) => bus.publish('s.a', 1, a),
  'publish with an id and a key': (bus, id, key) => bus.publish('s.a', 1, { id, key }),
  'publish with a delay and a timeout': (bus, delay, timeout) => bus.publish('s.a', 1, { delay, timeout }),
  'publish with a signal': (bus, signal) => bus.publish('s.a', 1, { signal }),
  'publish with headers': (bus, headers) => bus.publish('s.a', 1, { headers }),
  'publish with a header': (bus, name, value) =>
    bus.publish('s.a', 1, { headers: { [typeof name === 'string' ? name : 'x']: value } }),
  'publish to a topic': (bus, a, b) => bus.publish(noted.at({ id: a as string }), 1, b),
  'publish a batch': (bus, a, b) => bus.publishBatch(a, b),
  'publish a batch of': (bus, a, b) =>
    bus.publishBatch([{ to: 's.a', data: 1 }, a, { to: 's.a', data: 1, options: b }]),
  'signal to': (bus, a, b) => bus.signal(a, 1, b),
  'subscribe to': (bus, a, b) => bus.subscribe(a, noop, b),
  'subscribe with': (bus, a, from) => bus.subscribe('s.a', a, { from }),
  consume: (bus, a, b) => bus.consume(a, noop, b),
  'consume with a handler': (bus, a, filter) => bus.consume({ name: 'c', stream: 's', filter }, a),
  'consume from': (bus, name, from) => bus.consume({ name, stream: 's', from }, noop),
  'consume with options': (bus, a) => bus.consume({ name: 'c', stream: 's' }, noop, a),
  'consume with a retry policy': (bus, retry, batch) => bus.consume({ name: 'c', stream: 's' }, noop, { retry, batch }),
  replay: (bus, a) => first(bus.replay(a)),
  'replay from': (bus, from, to) => first(bus.replay({ stream: 's', from, to })),
  'replay with a signal': (bus, signal, limit) => first(bus.replay({ stream: 's', signal, limit })),
  last: (bus, a) => bus.last(a),
  get: (bus, a, b) => bus.get(a, b),
  'get of a stream': (bus, a) => bus.get('s', a),
  request: (bus, a, b) => bus.request(a, 1, b),
  respond: (bus, a, b) => bus.respond(a, b),
  transaction: (bus, a, b) => bus.transaction(a, b),
  verify: (bus, a) => bus.verify(a),
  repair: (bus, a) => bus.repair(a),
  history: (bus, a) => first(bus.history(a)),
  'dead letters': (bus, a, b) => first((bus.deadLetters(a, b) as { list(): unknown }).list()),
  'list dead letters': (bus, a) => first((bus.deadLetters('c') as { list(a: unknown): unknown }).list(a)),
  'discard dead letters': (bus, a) => (bus.deadLetters('c') as { discard(a: unknown): unknown }).discard(a),
  'redrive dead letters': (bus, a) => (bus.deadLetters('c') as { redrive(a: unknown): unknown }).redrive(a),
  'show a dead letter': (bus, a) => (bus.deadLetters('c') as { show(a: unknown): unknown }).show(a),
}

const TABLE: readonly (readonly [what: string, code: string, call: (bus: Untyped) => unknown])[] = [
  ['no options, said with null', 'BUS_INVALID_OPTION', (bus) => bus.publish('s.a', 1, null)],
  ['a signal that is null', 'BUS_INVALID_OPTION', (bus) => bus.publish('s.a', 1, { signal: null })],
  ['a signal that cannot abort', 'BUS_INVALID_OPTION', (bus) => bus.publish('s.a', 1, { signal: { aborted: false } })],
  ['a signal of a replay that is text', 'BUS_INVALID_OPTION', (bus) => first(bus.replay({ stream: 's', signal: 'x' }))],
  ['headers in a Map', 'BUS_INVALID_MESSAGE', (bus) => bus.publish('s.a', 1, { headers: new Map([['a', 'b']]) })],
  ['headers of fetch', 'BUS_INVALID_MESSAGE', (bus) => bus.publish('s.a', 1, { headers: new Headers({ a: 'b' }) })],
  ['a list of headers', 'BUS_INVALID_MESSAGE', (bus) => bus.publish('s.a', 1, { headers: ['x'] })],
  ['an entry that is null', 'BUS_INVALID_OPTION', (bus) => bus.publishBatch([null])],
  ['a subscription with null', 'BUS_INVALID_OPTION', (bus) => bus.subscribe('s.a', noop, null)],
  ['a request with null', 'BUS_INVALID_OPTION', (bus) => bus.request('x', 1, null)],
  ['a signal with null', 'BUS_INVALID_OPTION', (bus) => bus.signal('x', 1, null)],
  ['a pool with null', 'BUS_INVALID_OPTION', (bus) => bus.consume({ name: 'c', stream: 's' }, noop, null)],
  ['a transaction with null', 'BUS_INVALID_OPTION', (bus) => bus.transaction(noop, null)],
  ['a close with null', 'BUS_INVALID_OPTION', (bus) => bus.close(null)],
  [
    'a rehearsal that is said with text',
    'BUS_INVALID_OPTION',
    (bus) => (bus.deadLetters('c') as { discard(a: unknown): unknown }).discard({ dryRun: 'yes' }),
  ],
]

describe('a call with a value of the wrong kind', () => {
  let bus: MessageBus
  let untyped: Untyped
  let neighbour: Neighbour
  beforeAll(async () => {
    bus = createBus({ adapter: memory(), streams })
    untyped = bus as unknown as Untyped
    await bus.connect()
    neighbour = await Neighbour.of(bus)
  })
  afterAll(async () => {
    await neighbour.assertUndisturbed()
    await bus.close()
  })

  for (const [what, code, call] of TABLE) {
    it(`is refused: ${what}`, async () => {
      expect(await codeOfCall(() => call(untyped))).toBe(code)
    })
  }

  it('is accepted or refused with a code, and a consumer beside it gets its messages', PATIENCE, async () => {
    const names = fc.constantFrom(...Object.keys(CALLS))
    const one = fc.asyncProperty(names, junk, junk, async (name, a, b) => {
      await codeOfCall(() => CALLS[name]?.(untyped, a, b))
      await neighbour.say()
    })
    await fc.assert(one, runs(1500))
  })
})

describe('what is made before a bus', () => {
  const makers: readonly ((a: unknown, b: unknown) => unknown)[] = [
    (a) => Reflect.apply(createBus, undefined, [a]),
    (a, b) => Reflect.apply(createBus, undefined, [{ adapter: memory(), streams: a, defaults: b }]),
    (a, b) => Reflect.apply(createBus, undefined, [{ adapter: memory(), streams: [a], strict: b }]),
    (a, b) =>
      Reflect.apply(createBus, undefined, [{ adapter: memory(), streams: [{ name: 'x', subjects: a, storage: b }] }]),
    (a, b) => Reflect.apply(createBus, undefined, [{ adapter: memory(), logger: a, clock: b }]),
    (a, b) => Reflect.apply(createBus, undefined, [{ adapter: memory(), random: a, defaults: { stream: b } }]),
    (a, b) => Reflect.apply(topic, undefined, [a, b]),
    (a, b) => Reflect.apply(topic, undefined, ['a.{b}', { schema: anything, version: a, upcasts: b }]),
    (a) => Reflect.apply(noted.at, noted, [a]),
    (a) => subject`a.${a as string}`,
  ]

  it('is refused with a code when it is of the wrong kind', async () => {
    const one = fc.asyncProperty(fc.constantFrom(...makers), junk, junk, async (make, a, b) => {
      await endOf(() => make(a, b))
    })
    await fc.assert(one, runs(400))
  })
})
