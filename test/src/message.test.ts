/** Headers, ids and keys: what is refused before anything is stored, and what comes back bit for bit. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  checkHeaders,
  checkIdentifier,
  type Headers,
  headersBytes,
  LIMITS,
  messageBytes,
  NO_HEADERS,
  userHeaders,
  withHeaders,
} from '../../src/message.js'
import { codeOf } from '../code-of.js'

const refused = (headers: unknown): boolean =>
  codeOf(() => checkHeaders(headers as Record<string, string>)) === 'BUS_INVALID_MESSAGE'

function many(count: number, value = 'v'): Record<string, string> {
  return Object.fromEntries(Array.from({ length: count }, (_, at) => [`h${String(at).padStart(3, '0')}`, value]))
}

describe('header names', () => {
  const bad = ['', ' ', 'a b', 'a:', ':a', 'a\r\nb', 'a\n', 'a\0', 'é', 'a\u2028', 'a(b)', 'a"b', 'a/b', 'a@b', '{a}']
  for (const name of bad) {
    it(`may not be ${JSON.stringify(name)}`, () => {
      expect(refused({ [name]: 'v' })).toBe(true)
    })
  }

  const reserved = [
    'Nats-Rollup',
    'Nats-TTL',
    'Nats-Trace-Only',
    'Nats-Expected-Last-Sequence',
    'Nats-Msg-Id',
    'Nats-',
    'Busbar-Version',
    'Busbar-Anything',
    '$x',
    'Status',
    'traceparent',
    'tracestate',
  ]
  it('that are reserved are refused in any case', () => {
    for (const name of reserved) {
      for (const spelling of [name, name.toLowerCase(), name.toUpperCase()])
        expect([spelling, refused({ [spelling]: 'v' })]).toEqual([spelling, true])
    }
  })

  it('that only look reserved are taken', () => {
    const taken = { Nats: 'a', 'X-Nats-TTL': 'b', Statuses: 'c', traceparents: 'd', Busbar: 'e' }
    expect({ ...checkHeaders(taken) }).toEqual(taken)
  })

  it('of every RFC 7230 character are taken', () => {
    const name = "!#$%&'*+-.^_`|~09azAZ"
    expect(checkHeaders({ [name]: 'v' })[name]).toBe('v')
  })

  it('may not differ by case only', () => {
    expect(refused({ Color: 'a', color: 'b' })).toBe(true)
  })

  it('may be those of the members of every object', () => {
    const headers = checkHeaders(JSON.parse('{"__proto__":"p","constructor":"c","toString":"t"}') as Headers)
    expect(Object.entries(headers)).toEqual([
      ['__proto__', 'p'],
      ['constructor', 'c'],
      ['toString', 't'],
    ])
    expect(checkHeaders({ a: 'b' }).constructor).toBeUndefined()
  })
})

describe('header values', () => {
  it('may not hold a line break or NUL', () => {
    for (const value of ['a\rb', 'a\nb', '\r\n\r\nNATS/1.0 503', 'a\0']) expect(refused({ name: value })).toBe(true)
  })

  it('must be strings', () => {
    for (const value of [1, null, undefined, true, {}, ['a'], Object('a')]) expect(refused({ name: value })).toBe(true)
  })

  it('of any other characters come back exactly', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 50 }), (text) => {
        const value = text.replace(/[\r\n\0]/g, '')
        expect(checkHeaders({ name: value }).name).toBe(value)
      }),
    )
    expect(checkHeaders({ name: '' }).name).toBe('')
    expect(checkHeaders({ name: 'NATS/1.0 503' }).name).toBe('NATS/1.0 503')
  })
})

describe('headers as a whole', () => {
  it('are limited in the bytes of one value', () => {
    expect(refused({ name: 'v'.repeat(LIMITS.headerValueBytes) })).toBe(false)
    expect(refused({ name: 'v'.repeat(LIMITS.headerValueBytes + 1) })).toBe(true)
    expect(refused({ name: 'é'.repeat(LIMITS.headerValueBytes / 2) })).toBe(false)
    expect(refused({ name: `é${'é'.repeat(LIMITS.headerValueBytes / 2)}` })).toBe(true)
  })

  it('are limited in count', () => {
    expect(refused(many(LIMITS.headerCount))).toBe(false)
    expect(refused(many(LIMITS.headerCount + 1))).toBe(true)
    expect(refused(many(1000))).toBe(true)
  })

  it('are limited in bytes altogether', () => {
    const lineBytes = 4 + 3
    const value = 'v'.repeat(LIMITS.headersBytes / 8 - lineBytes)
    const exact = many(8, value)
    expect(headersBytes(checkHeaders(exact))).toBe(LIMITS.headersBytes)
    expect(refused({ ...exact, h000: `${value}v` })).toBe(true)
  })

  it('must be an object', () => {
    for (const headers of [null, 'a: b', 7, true]) expect(refused(headers)).toBe(true)
    expect(checkHeaders(undefined)).toBe(NO_HEADERS)
    expect(Object.keys(checkHeaders({}))).toEqual([])
  })

  it('are a copy', () => {
    const mine = { name: 'before' }
    const checked = checkHeaders(mine)
    mine.name = 'after'
    expect(checked.name).toBe('before')
  })

  it('count against the size of a message as a wire would carry them', () => {
    const headers = checkHeaders({ ab: 'é' })
    expect(headersBytes(headers)).toBe(Buffer.byteLength('ab:é\r\n'))
    expect(messageBytes({ payload: new Uint8Array(10), headers })).toBe(10 + 7)
    expect(messageBytes({ payload: new Uint8Array(10), headers: NO_HEADERS })).toBe(10)
  })

  it('are shown to readers without those of busbar', () => {
    const stored = withHeaders(checkHeaders({ mine: 'a' }), { 'Busbar-Version': '2' })
    expect({ ...userHeaders(stored) }).toEqual({ mine: 'a' })
    expect(stored['Busbar-Version']).toBe('2')
  })
})

describe('ids and keys', () => {
  it('have 1 to 256 printable characters of any alphabet', () => {
    for (const id of ['a', 'x'.repeat(256), 'größe 7', '订单-42', 'a b', '😀', '__proto__', "'; drop table", 'e\u0301'])
      expect(checkIdentifier('id', id)).toBe(id)
  })

  const bad: readonly (readonly [string, unknown])[] = [
    ['empty', ''],
    ['257 characters', 'x'.repeat(257)],
    ['a megabyte', 'x'.repeat(1 << 20)],
    ['a line feed', 'a\nb'],
    ['a carriage return', 'a\rb'],
    ['a tab', 'a\tb'],
    ['NUL', '\0'],
    ['U+0085', '\u0085'],
    ['U+2028', '\u2028'],
    ['U+2029', '\u2029'],
    ['a byte order mark', '\ufeff'],
    ['half a surrogate pair', 'a\ud800'],
    ['a number', 7],
    ['null', null],
    ['an object', { toString: () => 'a' }],
    ['a String object', Object('a')],
    ['a symbol', Symbol('a')],
  ]
  for (const [what, value] of bad) {
    it(`are refused when they are ${what} or hold it`, () => {
      expect(codeOf(() => checkIdentifier('id', value))).toBe('BUS_INVALID_MESSAGE')
      expect(codeOf(() => checkIdentifier('key', value))).toBe('BUS_INVALID_MESSAGE')
    })
  }
})
