/** Payloads: exact there and back, or refused; never quietly changed. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { decode, encode, MAX_DEPTH } from '../../src/codec.js'
import { CONTENT_HEADER, NO_HEADERS } from '../../src/message.js'
import { codeOf } from '../code-of.js'

const isRefused = (data: unknown): boolean => codeOf(() => encode(data)) === 'BUS_INVALID_MESSAGE'
/** What a reader makes of these bytes. */
function read(payload: Uint8Array): unknown {
  return decode({ headers: NO_HEADERS, payload })
}

const isUndecodable = (text: string): boolean => codeOf(() => read(Buffer.from(text))) === 'BUS_INVALID_MESSAGE'

type Stored = Parameters<typeof decode>[0]

/** The message as another process gets it: bytes and a header. */
function onTheWire(data: unknown): Stored {
  const { text, bytes } = encode(data)
  if (bytes !== undefined) return { headers: { [CONTENT_HEADER]: 'bytes' }, payload: bytes }
  return { headers: NO_HEADERS, payload: Buffer.from(text ?? '') }
}

/** Through the bytes, after a check that the text in this process says the same, and the copy. */
function thereAndBack(data: unknown): unknown {
  const message = onTheWire(data)
  const { text, copy } = encode(data)
  if (text !== undefined) expect(decode({ ...message, text })).toEqual(decode(message))
  if (copy !== undefined) expect(copy).toStrictEqual(decode(message))
  return decode(message)
}

function nested(depth: number): unknown {
  let value: unknown = 0
  for (let level = 0; level < depth; level++) value = level % 2 === 0 ? [value] : { a: value }
  return value
}

function cycle(): unknown {
  const self: Record<string, unknown> = {}
  self.self = self
  return self
}

class Point {
  readonly #secret = 1
  readonly x = 1
  y = 2
  get sum(): number {
    return this.x + this.y + this.#secret
  }
}

describe('JSON payloads', () => {
  it('come back equal, or are refused before they are sent', () => {
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 6 }), (data) => {
        if (isRefused(data)) expect(JSON.stringify(data)).toMatch(/"__proto__"|"constructor"/)
        else expect(JSON.stringify(thereAndBack(data))).toBe(JSON.stringify(data))
      }),
      { numRuns: 1000 },
    )
  })

  it('of any string come back exactly, half surrogate pairs and NUL included', () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 0, max: 0xffff })).map((units) => String.fromCharCode(...units)),
        (text) => {
          expect(thereAndBack({ text })).toEqual({ text })
        },
      ),
    )
    for (const text of ['\u0000', '\ud800', 'proto', '\\u0041', '\u2028', '']) expect(thereAndBack(text)).toBe(text)
  })

  it('may be any JSON value at the top', () => {
    for (const data of [null, true, false, 0, 1e308, 2 ** 53, '', [], {}]) expect(thereAndBack(data)).toEqual(data)
  })

  it('have the stated encodings of dates, -0 and undefined properties', () => {
    expect(thereAndBack({ at: new Date(0) })).toEqual({ at: '1970-01-01T00:00:00.000Z' })
    expect(Object.is(thereAndBack(-0), 0)).toBe(true)
    expect(thereAndBack({ a: undefined, b: 1 })).toEqual({ b: 1 })
    expect(thereAndBack(Object.assign(Object.create(null), { a: 1 }))).toEqual({ a: 1 })
  })

  it('hold the fields of an instance of a class', () => {
    expect(thereAndBack(new Point())).toEqual({ x: 1, y: 2 })
    expect(thereAndBack({ toJSON: () => ({ a: [1] }) })).toEqual({ a: [1] })
  })

  it('may hold one object in several places', () => {
    const shared = { a: 1 }
    expect(thereAndBack([shared, shared])).toEqual([{ a: 1 }, { a: 1 }])
  })

  it('are what the data was at the call', () => {
    const data = { list: [1] }
    const message = onTheWire(data)
    data.list.push(2)
    expect(decode(message)).toEqual({ list: [1] })
  })
})

const boom = (): never => {
  throw new RangeError('boom')
}

const unencodable: readonly (readonly [string, unknown])[] = [
  ['undefined', undefined],
  ['a function', () => 1],
  ['a symbol', Symbol('a')],
  ['a BigInt', 1n],
  ['NaN', Number.NaN],
  ['Infinity', Number.POSITIVE_INFINITY],
  ['-Infinity', Number.NEGATIVE_INFINITY],
  ['a boxed NaN', Object(Number.NaN)],
  ['a Map', new Map([['a', 1]])],
  ['a Set', new Set([1])],
  ['a WeakMap', new WeakMap()],
  ['a regular expression', /a/],
  ['a promise', Promise.resolve(1)],
  ['an error', new Error('a')],
  ['an ArrayBuffer', new ArrayBuffer(2)],
  ['a list of floats', new Float64Array(2)],
  ['a toJSON that throws', { toJSON: boom }],
  ['a toJSON that returns undefined', { toJSON: () => undefined }],
  ['a toJSON that returns NaN', { toJSON: () => Number.NaN }],
  ['a toJSON that returns a Map', { toJSON: () => new Map() }],
  ['a cycle', cycle()],
  ['a cycle through toJSON', { toJSON: cycle }],
]

describe('data that JSON would change', () => {
  for (const [what, data] of unencodable) {
    it(`is refused: ${what}`, () => {
      expect(isRefused(data)).toBe(true)
      expect(isRefused([data])).toBe(true)
      if (data !== undefined) expect(isRefused({ deep: [{ data }] })).toBe(true)
    })
  }

  it('is refused: holes and undefined in lists', () => {
    // biome-ignore lint/suspicious/noSparseArray: the hole is the case
    expect(isRefused([1, , 2])).toBe(true)
    expect(isRefused(new Array(3))).toBe(true)
    expect(isRefused([undefined])).toBe(true)
    expect(isRefused(new Array(2 ** 32 - 1))).toBe(true)
  })

  it('is refused: binary inside of something, buffers included', () => {
    expect(isRefused({ bytes: new Uint8Array(2) })).toBe(true)
    expect(isRefused([Buffer.from('ab')])).toBe(true)
  })

  it('is refused: getters and proxies that throw', () => {
    expect(
      isRefused({
        get a(): number {
          return boom()
        },
      }),
    ).toBe(true)
    expect(isRefused(new Proxy({ a: 1 }, { get: boom }))).toBe(true)
    expect(isRefused(new Proxy({ a: 1 }, { ownKeys: boom }))).toBe(true)
    const { proxy, revoke } = Proxy.revocable({}, {})
    revoke()
    expect(isRefused(proxy)).toBe(true)
  })

  it('is refused: keys that every reader would refuse', () => {
    expect(isRefused(JSON.parse('{"a":[{"__proto__":{"polluted":true}}]}'))).toBe(true)
    expect(isRefused(JSON.parse('{"constructor":{"prototype":{"polluted":true}}}'))).toBe(true)
    expect(thereAndBack({ constructor: 'Renault', prototype: 1 })).toEqual({ constructor: 'Renault', prototype: 1 })
  })

  it('is refused without being quoted in the error', () => {
    for (const data of [
      { pin: 'hunter2', bad: 1n },
      { pin: 'hunter2', toJSON: boom },
    ]) {
      let text = ''
      try {
        encode(data)
      } catch (thrown) {
        text = String(thrown)
      }
      expect(text).not.toBe('')
      expect(text).not.toContain('hunter2')
    }
  })
})

describe('depth', () => {
  it(`is limited to ${MAX_DEPTH} when encoding`, () => {
    expect(thereAndBack(nested(MAX_DEPTH))).toEqual(nested(MAX_DEPTH))
    expect(isRefused(nested(MAX_DEPTH + 1))).toBe(true)
    expect(isRefused(nested(100_000))).toBe(true)
  })

  it(`is limited to ${MAX_DEPTH} when decoding, whatever stands in strings`, () => {
    const lists = (depth: number): string => '['.repeat(depth) + ']'.repeat(depth)
    expect(isUndecodable(lists(MAX_DEPTH))).toBe(false)
    expect(isUndecodable(lists(MAX_DEPTH + 1))).toBe(true)
    expect(isUndecodable(lists(100_000))).toBe(true)
    expect(isUndecodable('{"a":'.repeat(100_000))).toBe(true)
    const brackets = { text: `"\\"${'['.repeat(2000)}`, 'key[{': '{'.repeat(2000) }
    expect(thereAndBack(brackets)).toEqual(brackets)
    expect(thereAndBack(Array.from({ length: 2000 }, () => [{}]))).toHaveLength(2000)
  })
})

describe('foreign payloads', () => {
  it('that are not JSON are refused', () => {
    for (const text of ['', ' ', 'hello', '{', '{"a":1}x', "{'a':1}", 'NaN', 'undefined', '\ufeff{}', '\0'])
      expect(isUndecodable(text)).toBe(true)
  })

  it('that would reach prototypes are refused, however the key is spelled', () => {
    const hostile = [
      '{"__proto__":{"polluted":true}}',
      '[{"a":{"__proto__":null}}]',
      '{"\\u005f_proto__":{"polluted":true}}',
      '{"constructor":{"prototype":{"polluted":true}}}',
      '{"\\u0063onstructor":{"\\u0070rototype":{"polluted":true}}}',
      `{"pad":"${'x'.repeat(3000)}","__proto__":1}`,
    ]
    for (const text of hostile) expect([text.slice(0, 40), isUndecodable(text)]).toEqual([text.slice(0, 40), true])
    expect(Reflect.get({}, 'polluted')).toBeUndefined()
  })

  it('that only mention such keys are taken', () => {
    const harmless = { text: '__proto__', prototype: { constructor: 'x' }, constructor: null }
    expect(read(Buffer.from(JSON.stringify(harmless)))).toEqual(harmless)
  })

  it('with a key twice have the last value', () => {
    expect(read(Buffer.from('{"a":1,"a":2}'))).toEqual({ a: 2 })
  })

  it('do not appear in the error', () => {
    for (const text of ['hunter2', '{"pin":"hunter2"', '{"__proto__":"hunter2"}']) {
      try {
        read(Buffer.from(text))
        expect.unreachable()
      } catch (thrown) {
        expect(`${String(thrown)} ${String((thrown as Error).cause)}`).not.toContain('hunter2')
      }
    }
  })

  it('may be a view into larger memory', () => {
    const memory = Buffer.from('xx{"a":1}yy')
    expect(read(memory.subarray(2, 9))).toEqual({ a: 1 })
    expect(read(new Uint8Array(memory.buffer, memory.byteOffset + 2, 7))).toEqual({ a: 1 })
  })
})

describe('byte payloads', () => {
  it('come back equal and independent', () => {
    fc.assert(
      fc.property(fc.uint8Array(), fc.nat({ max: 5 }), (bytes, offset) => {
        const view = bytes.subarray(Math.min(offset, bytes.length))
        const message = onTheWire(view)
        const back = decode(message)
        expect(back).toEqual(new Uint8Array(view))
        expect(back).not.toBe(message.payload)
      }),
    )
  })

  it('are what they were at the call, in shared memory too', () => {
    for (const bytes of [new Uint8Array([1, 2]), new Uint8Array(new SharedArrayBuffer(2)), Buffer.from([1, 2])]) {
      const before = [...bytes]
      const message = onTheWire(bytes)
      bytes.fill(9)
      expect([...(decode(message) as Uint8Array)]).toEqual(before)
    }
  })

  it('do not change when a reader changes what it got', () => {
    const message = onTheWire(new Uint8Array([1, 2]))
    ;(decode(message) as Uint8Array).fill(9)
    expect(decode(message)).toEqual(new Uint8Array([1, 2]))
  })

  it('may be empty', () => {
    expect(thereAndBack(new Uint8Array(0))).toEqual(new Uint8Array(0))
  })
})
