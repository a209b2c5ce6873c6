/** Declarations of streams and consumers: their defaults, what is refused, and what conflicts. */
import { describe, expect, it } from 'vitest'
import {
  type ConsumerSettings,
  checkName,
  difference,
  resolveConsumer,
  resolveStart,
  resolveStream,
  resolveStreams,
  type StreamDefinition,
} from '../../src/topology.js'
import { codeOf } from '../code-of.js'

const orders: StreamDefinition = { name: 'orders', subjects: ['orders.>'] }
const audit: ConsumerSettings = { name: 'audit', stream: 'orders' }
const NAMES = [
  '',
  'a b',
  'a.b',
  'a/b',
  '../a',
  'a\n',
  'ü',
  'x'.repeat(65),
  '"; drop',
  '*',
  '>',
  '$JS',
  1,
  null,
  undefined,
]

describe('names', () => {
  it('of streams and consumers are 1 to 64 letters, digits, dashes or underscores', () => {
    for (const name of ['a', 'A-1_b', 'x'.repeat(64), '__proto__', 'constructor'])
      expect(checkName('n', name)).toBe(name)
    for (const name of NAMES) {
      expect([name, codeOf(() => checkName('n', name))]).toEqual([name, 'BUS_INVALID_OPTION'])
      expect(codeOf(() => resolveStream({ ...orders, name: name as string }))).toBe('BUS_INVALID_OPTION')
      expect(codeOf(() => resolveConsumer({ ...audit, name: name as string }, ['a']))).toBe('BUS_INVALID_OPTION')
      expect(codeOf(() => resolveConsumer({ ...audit, stream: name as string }, ['a']))).toBe('BUS_INVALID_OPTION')
    }
  })
})

describe('a stream', () => {
  it('has the documented defaults', () => {
    expect(resolveStream(orders)).toEqual({
      name: 'orders',
      subjects: ['orders.>'],
      storage: 'file',
      retention: 'limits',
      maxAgeMs: Number.POSITIVE_INFINITY,
      maxBytes: Number.POSITIVE_INFINITY,
      maxMessages: Number.POSITIVE_INFINITY,
      maxMessageBytes: 1024 * 1024,
      discard: 'new',
      replicas: 1,
      dedupWindowMs: 120_000,
      compression: false,
    })
  })

  it('keeps what is said', () => {
    const said = {
      maxAge: '30d',
      maxBytes: 5,
      maxMessages: 6,
      maxMessageBytes: 7,
      dedupWindow: 0,
      replicas: 5,
    } as const
    expect(
      resolveStream({ ...orders, ...said, discard: 'old', retention: 'workqueue', storage: 'memory' }),
    ).toMatchObject({
      maxAgeMs: 2_592_000_000,
      maxBytes: 5,
      maxMessages: 6,
      maxMessageBytes: 7,
      dedupWindowMs: 0,
      replicas: 5,
      discard: 'old',
      retention: 'workqueue',
      storage: 'memory',
    })
  })

  const bad: readonly (readonly [string, unknown])[] = [
    ['subjects', undefined],
    ['subjects', []],
    ['subjects', 'orders.>'],
    ['storage', 'disk'],
    ['retention', 'forever'],
    ['maxAge', '0s'],
    ['maxAge', 'soon'],
    ['maxAge', '36526d'],
    ['dedupWindow', '25d'],
    ['maxBytes', 0],
    ['maxBytes', 1.5],
    ['maxMessages', 0],
    ['maxMessages', -1],
    ['maxMessages', Number.NaN],
    ['maxMessages', '5'],
    ['maxMessageBytes', 0],
    ['maxMessageBytes', 64 * 1024 * 1024 + 1],
    ['discard', 'oldest'],
    ['replicas', 0],
    ['replicas', 6],
    ['dedupWindow', -1],
    ['dedupWindow', '2 m'],
  ]
  for (const [field, value] of bad) {
    it(`is refused with ${field} ${JSON.stringify(value)}`, () => {
      expect(codeOf(() => resolveStream({ ...orders, [field]: value }))).toBe('BUS_INVALID_OPTION')
    })
  }

  it('is refused with a bad pattern among its subjects', () => {
    for (const subject of ['', 'a..b', '>.a', '$JS.>', '_INBOX.>', 1])
      expect(codeOf(() => resolveStream({ ...orders, subjects: ['ok', subject as string] }))).toBe(
        'BUS_INVALID_SUBJECT',
      )
  })

  it('is refused when it is not an object', () => {
    for (const nothing of [undefined, null]) {
      expect(codeOf(() => resolveStream(nothing as unknown as StreamDefinition))).toBe('BUS_INVALID_OPTION')
    }
  })
})

describe('streams of one bus', () => {
  it('may not share a name or a subject', () => {
    const named = (name: string, ...subjects: string[]): StreamDefinition => ({ name, subjects })
    expect(resolveStreams([named('a', 'a.*'), named('b', 'b.>', 'a.*.c')])).toHaveLength(2)
    for (const [one, other] of [
      [named('a', 'a.>'), named('a', 'b.>')],
      [named('a', 'a.>'), named('b', 'a.b')],
      [named('a', 'x', 'a.*.c'), named('b', 'y', 'a.b.*')],
      [named('a', '>'), named('b', 'b')],
    ] as const)
      expect(codeOf(() => resolveStreams([one, other]))).toBe('BUS_CONFLICT')
  })
})

describe('a consumer', () => {
  it('has the documented defaults', () => {
    expect(resolveConsumer(audit, ['orders.>'])).toEqual({
      name: 'audit',
      stream: 'orders',
      filters: ['orders.>'],
      from: 'all',
      ackWaitMs: 30_000,
      maxInFlight: 10_000,
      replay: 'instant',
      order: 'none',
      partitions: 1,
    })
  })

  it('is divided only when it is ordered by key, into 64 parts at most, and no more than it may have in flight', () => {
    const divide = (settings: Partial<ConsumerSettings>) => resolveConsumer({ ...audit, ...settings }, ['a']).partitions
    expect(divide({ order: 'key', partitions: 64 })).toBe(64)
    expect(divide({ order: 'none', partitions: 1 })).toBe(1)
    for (const settings of [
      { partitions: 2 },
      { order: 'none', partitions: 2 },
      { order: 'key', partitions: 0 },
      { order: 'key', partitions: 65 },
      { order: 'key', partitions: 1.5 },
      { order: 'key', partitions: 3, maxInFlight: 2 },
    ] as const)
      expect(codeOf(() => divide(settings))).toBe('BUS_INVALID_OPTION')
  })

  const bad: readonly (readonly [string, unknown])[] = [
    ['ackWait', '49ms'],
    ['ackWait', 0],
    ['ackWait', 'soon'],
    ['maxInFlight', 0],
    ['maxInFlight', 1_000_001],
    ['replay', 'fast'],
    ['order', 'strict'],
    ['from', 'first'],
    ['from', {}],
    ['from', { sequence: 0 }],
    ['from', { sequence: 1.5 }],
    ['from', { time: 'yesterday' }],
    ['from', { time: -1 }],
  ]
  for (const [field, value] of bad) {
    it(`is refused with ${field} ${JSON.stringify(value)}`, () => {
      expect(codeOf(() => resolveConsumer({ ...audit, [field]: value }, ['a']))).toBe('BUS_INVALID_OPTION')
    })
  }

  it('is refused with filters that take the same subject, but not with one given twice', () => {
    expect(resolveConsumer(audit, ['b', 'a.*', 'b']).filters).toEqual(['a.*', 'b'])
    expect(codeOf(() => resolveConsumer(audit, ['a.*', 'a.b']))).toBe('BUS_INVALID_OPTION')
    expect(codeOf(() => resolveConsumer(audit, ['a b']))).toBe('BUS_INVALID_SUBJECT')
  })
})

describe('a start', () => {
  it('is a word, a sequence or a time', () => {
    for (const word of ['all', 'new', 'last', 'last-per-subject'] as const)
      expect(resolveStart('from', word)).toBe(word)
    expect(resolveStart('from', { sequence: 7 })).toEqual({ sequence: 7 })
    expect(resolveStart('from', { time: new Date(9) })).toEqual({ timeMs: 9 })
  })
})

describe('difference', () => {
  it('names the first field in which two definitions differ', () => {
    const stream = resolveStream(orders)
    expect(difference(stream, resolveStream({ ...orders }))).toBeUndefined()
    expect(difference(stream, resolveStream({ ...orders, maxMessages: 5 }))).toContain('maxMessages')
    expect(difference(stream, resolveStream({ ...orders, subjects: ['orders.a'] }))).toContain('subjects')
  })
})
