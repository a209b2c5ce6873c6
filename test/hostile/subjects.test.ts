/**
 * Subjects, patterns, names and other identifiers at every entry that takes one: the grammar decides, before anything is sent, and no text
 * becomes a token, a wildcard, a protocol line or a statement of its own.
 */
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { dual } from '../../adapters/dual/index.js'
import { jetstream } from '../../adapters/jetstream/index.js'
import { memory } from '../../adapters/memory/index.js'
import { createBus, decodeToken, encodeToken, type MessageBus, topic } from '../../src/index.js'
import { checkSubject } from '../../src/subject.js'
import { codeOf } from '../code-of.js'
import { type NatsServer, startNats } from '../servers/nats-server.js'
import { type LinkProxy, startProxy } from '../servers/proxy.js'
import { codeOfCall, Neighbour } from './neighbour.js'
import { PATIENCE, runs } from './runs.js'
import { NASTY, text } from './words.js'

const anything = { '~standard': { version: 1, vendor: 'test', validate: (value: unknown) => ({ value }) } } as const
const noop = (): void => {}

/** The grammar, said once more and slowly. */
function isSubject(value: string, wildcards: boolean): boolean {
  const tokens = value.split('.')
  if (value.length > 1024 || tokens.length > 32 || tokens[0] === '_INBOX') return false
  return tokens.every((token, at) => {
    if (wildcards && (token === '*' || (token === '>' && at === tokens.length - 1))) return true
    if (token.length === 0 || token.length > 256 || token.startsWith('$')) return false
    return [...token].every((letter) => letter > ' ' && letter < '\x7f' && letter !== '*' && letter !== '>')
  })
}

type Entry = (bus: MessageBus, value: string) => unknown

const first = (all: AsyncIterable<unknown>): Promise<unknown> => all[Symbol.asyncIterator]().next()

const SUBJECTS: Readonly<Record<string, Entry>> = {
  publish: (bus, value) => bus.publish(value, 1),
  'publish in a batch': (bus, value) => bus.publishBatch([{ to: value, data: 1 }]),
  signal: (bus, value) => bus.signal(value, 1),
  request: (bus, value) => bus.request(value, 1, { timeout: 1000 }),
  last: (bus, value) => bus.last(value),
  'dead letters': (bus, value) => first(bus.deadLetters('c', value).list()),
  'a pool for dead letters': (bus, deadLetter) => bus.consume({ name: 'c', stream: 's' }, noop, { deadLetter }),
}

const PATTERNS: Readonly<Record<string, Entry>> = {
  subscribe: (bus, value) => bus.subscribe(value, noop),
  'read on': (bus, value) => bus.subscribe(value, noop, { from: 'new' }),
  respond: (bus, value) => bus.respond(value, noop),
  replay: (bus, filter) => first(bus.replay({ stream: 's', filter })),
  consume: (bus, filter) =>
    bus.consume({ name: encodeToken(filter).replaceAll('%', '_').slice(0, 64), stream: 's', filter }, noop),
  'a stream': (_, value) => createBus({ adapter: memory(), streams: [{ name: 'x', subjects: [value] }] }),
}

const NAMES: Readonly<Record<string, Entry>> = {
  'a stream': (_, name) => createBus({ adapter: memory(), streams: [{ name, subjects: ['x'] }] }),
  'a consumer': (bus, name) => bus.consume({ name, stream: 's' }, noop),
  'the stream of a consumer': (bus, stream) => bus.consume({ name: 'c', stream }, noop),
  'a replayed stream': (bus, stream) => first(bus.replay({ stream })),
  'the stream of a message': (bus, stream) => bus.get(stream, 1),
  'the consumer of dead letters': (bus, name) => first(bus.deadLetters(name, 's.dead').list()),
}

/** Whatever else may be wrong with it. */
function refusesSubject(code: string | undefined): boolean {
  return code === 'BUS_INVALID_SUBJECT'
}

describe('on every entry, in memory', () => {
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

  /** Half of them below a stream's own first token. */
  const subjects = fc.oneof(
    text,
    text.map((value) => `s.${value}`),
  )

  it('a subject is refused if and only if the grammar says so', PATIENCE, async () => {
    const one = fc.asyncProperty(fc.constantFrom(...Object.entries(SUBJECTS)), subjects, async ([, call], value) => {
      expect(refusesSubject(await codeOfCall(() => call(bus, value)))).toBe(!isSubject(value, false))
    })
    await fc.assert(one, runs(700))
  })

  it('a pattern is refused if and only if the grammar says so', PATIENCE, async () => {
    const one = fc.asyncProperty(fc.constantFrom(...Object.entries(PATTERNS)), subjects, async ([, call], value) => {
      expect(refusesSubject(await codeOfCall(() => call(bus, value)))).toBe(!isSubject(value, true))
    })
    await fc.assert(one, runs(500))
  })

  it('a name is refused if and only if it has more than letters, digits, "-" and "_"', PATIENCE, async () => {
    const one = fc.asyncProperty(fc.constantFrom(...Object.entries(NAMES)), text, async ([, call], value) => {
      const code = await codeOfCall(() => call(bus, value))
      expect(code === 'BUS_INVALID_OPTION').toBe(!/^[A-Za-z0-9_-]{1,64}$/.test(value))
    })
    await fc.assert(one, runs(300))
  })

  it('any text is one token of a subject when it is encoded, and comes back', async () => {
    const rooms = topic('s.{room}.{guest}', { schema: anything })
    const one = fc.property(text, text, (room, guest) => {
      fc.pre(encodeToken(room).length <= 256 && encodeToken(guest).length <= 256)
      const { subject } = rooms.at({ room, guest })
      expect(isSubject(subject, false) && subject.split('.').length === 3 && checkSubject(subject) === subject).toBe(
        true,
      )
      expect({ ...rooms.parse(subject) }).toEqual({ room, guest })
      expect(decodeToken(encodeToken(room))).toBe(room)
    })
    fc.assert(one, runs(500))
  })
})

describe('identifiers of adapters', () => {
  const inner = memory()

  it('a schema is one lower-case word or refused, whatever it tries', () => {
    const one = fc.property(text, (schema) => {
      const isFit = /^[a-z_][a-z0-9_]{0,47}$/.test(schema) && !schema.startsWith('pg_')
      const code = codeOf(() => dual({ inner, connection: 'postgres://nobody@127.0.0.1:1/none', schema }))
      expect(code).toBe(isFit ? undefined : 'BUS_INVALID_OPTION')
    })
    fc.assert(one, runs(300))
  })

  it('the beginning of reply subjects is made of tokens or refused', () => {
    const one = fc.property(text, (inboxPrefix) => {
      const isFit = inboxPrefix.split('.').every((token) => isSubject(token, false) || token === '_INBOX')
      expect(codeOf(() => jetstream({ inboxPrefix }))).toBe(isFit ? undefined : 'BUS_INVALID_OPTION')
    })
    fc.assert(one, runs(300))
  })
})

describe('on a wire', () => {
  let server: NatsServer
  let proxy: LinkProxy
  let bus: MessageBus
  let neighbour: Neighbour
  beforeAll(async () => {
    server = await startNats()
    proxy = await startProxy(server.port)
    bus = createBus({ adapter: jetstream({ servers: proxy.url }), streams: [{ name: 's', subjects: ['s.>'] }] })
    const beside = createBus({ adapter: jetstream({ servers: server.url }), streams: [Neighbour.stream()] })
    await Promise.all([bus.connect(), beside.connect()])
    neighbour = await Neighbour.of(beside)
    return async () => {
      await neighbour.assertUndisturbed()
      await Promise.all([bus.close(), beside.close()])
      await proxy.stop()
      await server.stop()
    }
  })

  it('nothing of what is refused is sent', async () => {
    const before = proxy.sent
    for (const value of NASTY) {
      for (const [entries, wildcards] of [
        [SUBJECTS, false],
        [PATTERNS, true],
      ] as const) {
        if (isSubject(value, wildcards)) continue
        for (const call of Object.values(entries))
          expect(refusesSubject(await codeOfCall(() => call(bus, value)))).toBe(true)
      }
      if (!/^[A-Za-z0-9_-]{1,64}$/.test(value))
        for (const call of Object.values(NAMES))
          expect(await codeOfCall(() => call(bus, value))).toBe('BUS_INVALID_OPTION')
    }
    expect(proxy.sent.slice(before.length).replaceAll(/P[IO]NG\r\n/g, '')).toBe('')
  })
})
