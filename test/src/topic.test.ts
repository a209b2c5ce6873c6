/** Topics: names that hold whatever their parameters are, validation at both ends, and old versions brought up to date. */
import fc from 'fast-check'
import * as v from 'valibot'
import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import type { Logger } from '../../src/logger.js'
import { silentLogger } from '../../src/logger.js'
import type { StandardSchema } from '../../src/standard-schema.js'
import { isPattern } from '../../src/subject.js'
import { topic } from '../../src/topic.js'
import { codeOf, codeOfAsync } from '../code-of.js'

const anything = z.unknown()
const units = fc
  .array(fc.integer({ min: 0, max: 0xffff }), { maxLength: 20 })
  .map((codes) => String.fromCharCode(...codes))
const hostile = fc.oneof(units, fc.constantFrom('', '*', '>', 'a.b', '$JS', '_INBOX', '%', '\r\nPUB x', '__proto__'))

describe('a topic names subjects', () => {
  const flights = topic('flights.{origin}.to.{destination}', { schema: anything })

  it('with parameters that come back exactly, whatever they hold', () => {
    fc.assert(
      fc.property(hostile, hostile, (origin, destination) => {
        const { subject } = flights.at({ origin, destination })
        expect(subject.split('.')).toHaveLength(4)
        expect(isPattern(subject)).toBe(false)
        expect({ ...flights.parse(subject) }).toEqual({ origin, destination })
      }),
      { numRuns: 1000 },
    )
  })

  it('with a pattern that has a star for each parameter', () => {
    expect(flights.pattern).toBe('flights.*.to.*')
    expect(topic('plain', { schema: anything }).pattern).toBe('plain')
  })

  it('and does not know the subjects of others', () => {
    for (const other of ['flights.a.to', 'flights.a.to.b.c', 'flights.a.from.b', 'trains.a.to.b'])
      expect(flights.parse(other)).toBeUndefined()
  })

  it('with parameters that may be called like the members of an object', () => {
    const odd = topic('x.{__proto__}.{constructor}', { schema: anything })
    const params = JSON.parse('{"__proto__":"p","constructor":"c"}') as Parameters<typeof odd.at>[0]
    expect(odd.at(params).subject).toBe('x.p.c')
    expect(Object.entries(odd.parse('x.p.c') ?? {})).toEqual([
      ['__proto__', 'p'],
      ['constructor', 'c'],
    ])
  })

  it('and refuses a parameter that is missing, not a string or too long', () => {
    for (const params of [undefined, {}, { origin: 'a' }, { origin: 'a', destination: 1 }]) {
      expect(codeOf(() => Reflect.apply(flights.at, flights, [params]))).toBe('BUS_INVALID_SUBJECT')
    }
    expect(codeOf(() => flights.at({ origin: 'x'.repeat(257), destination: 'b' }))).toBe('BUS_INVALID_SUBJECT')
    expect(codeOf(() => topic('{area}.x', { schema: anything }).at({ area: '_INBOX' }))).toBe('BUS_INVALID_SUBJECT')
  })
})

describe('a topic is refused', () => {
  const bad = ['', 'a.', 'a.{x', 'a.x}', 'a.{x}y', 'a.{}', 'a.{1x}', 'a.{x}.{x}', 'a.*', 'a.>', '$JS.{x}', 'a b']
  for (const template of bad) {
    it(`for the template ${JSON.stringify(template)}`, () => {
      expect(codeOf(() => topic(template, { schema: anything }))).toBe('BUS_INVALID_SUBJECT')
    })
  }

  it('for a template that is not a string', () => {
    expect(codeOf(() => topic(1 as unknown as string, { schema: anything }))).toBe('BUS_INVALID_SUBJECT')
  })

  it('for a version that is not a whole number from 1', () => {
    for (const version of [0, -1, 1.5, Number.NaN, '2'])
      expect(codeOf(() => topic('a', { schema: anything, version: version as number }))).toBe('BUS_INVALID_OPTION')
  })

  it('for a schema that is none', () => {
    for (const schema of [undefined, null, {}, { '~standard': {} }, 'z.string()'])
      expect(codeOf(() => topic('a', { schema: schema as typeof anything }))).toBe('BUS_INVALID_OPTION')
    expect(codeOf(() => Reflect.apply(topic, undefined, ['a']))).toBe('BUS_INVALID_OPTION')
  })
})

/** What a schema library of somebody's own may look like: it answers later, and with the other form of a path. */
const evenLater: StandardSchema<number, number> = {
  '~standard': {
    version: 1,
    vendor: 'by hand',
    validate: async (value) => {
      await Promise.resolve()
      if (typeof value === 'number' && value % 2 === 0) return { value }
      return { issues: [{ message: 'not even', path: [{ key: 'deep' }, 0] }, { message: 'second' }] }
    },
  },
}

describe('validation', () => {
  const schemas: readonly (readonly [string, StandardSchema<{ total: number }, { total: number }>])[] = [
    ['zod', z.object({ total: z.number() })],
    ['valibot', v.object({ total: v.number() })],
  ]
  for (const [library, schema] of schemas) {
    it(`with ${library} happens when publishing and when receiving`, async () => {
      const orders = topic('orders', { schema })
      expect(await orders.validate({ total: 1 })).toEqual({ total: 1 })
      expect(await orders.accept({ total: 1 }, 1, silentLogger)).toEqual({ total: 1 })
      for (const wrong of [{ total: '1' }, {}, null, undefined, []]) {
        expect(await codeOfAsync(() => orders.validate(wrong))).toBe('BUS_INVALID_MESSAGE')
        expect(await codeOfAsync(() => orders.accept(wrong, 1, silentLogger))).toBe('BUS_INVALID_MESSAGE')
      }
    })
  }

  it('with a schema that answers later is waited for, and tells where each issue is', async () => {
    const even = topic('even', { schema: evenLater })
    expect(await even.validate(2)).toBe(2)
    await expect(even.validate(3)).rejects.toThrow(/even: deep\.0: not even; \(root\): second$/)
  })

  it('never puts the data into the error', async () => {
    const secret = topic('s', { schema: z.object({ pin: z.number() }) })
    const thrown: unknown = await secret.validate({ pin: 'hunter2' }).catch((error: unknown) => error)
    expect(String(thrown)).toContain('pin')
    expect(String(thrown)).not.toContain('hunter2')
  })
})

function recordingLogger(): { logger: Logger; lines: unknown[][] } {
  const lines: unknown[][] = []
  return { lines, logger: { log: (...line) => void lines.push(line) } }
}

describe('versions', () => {
  const price = topic('price', {
    schema: z.object({ cents: z.number(), currency: z.string() }),
    version: 3,
    upcasts: {
      1: (data: { euros: number }) => ({ cents: data.euros * 100 }),
      2: (data: { cents: number }) => ({ ...data, currency: 'EUR' }),
    },
  })

  it('of every age arrive as the newest, each step in turn', async () => {
    const newest = { cents: 200, currency: 'EUR' }
    expect(await price.accept({ euros: 2 }, 1, silentLogger)).toEqual(newest)
    expect(await price.accept({ cents: 200 }, 2, silentLogger)).toEqual(newest)
    expect(await price.accept(newest, 3, silentLogger)).toEqual(newest)
  })

  it('that are newer than this process are refused', async () => {
    expect(await codeOfAsync(() => price.accept({ cents: 1, currency: 'EUR' }, 4, silentLogger))).toBe(
      'BUS_INVALID_MESSAGE',
    )
  })

  it('without a step to the next one are refused', async () => {
    const gap = topic('gap', { schema: anything, version: 3, upcasts: { 1: (data) => data } })
    expect(await codeOfAsync(() => gap.accept({}, 1, silentLogger))).toBe('BUS_INVALID_MESSAGE')
    expect(await codeOfAsync(() => gap.accept({}, 2, silentLogger))).toBe('BUS_INVALID_MESSAGE')
  })

  it('whose step throws are refused, with the cause', async () => {
    const cause = new TypeError('no')
    const broken = topic('broken', {
      schema: anything,
      version: 2,
      upcasts: {
        1: () => {
          throw cause
        },
      },
    })
    await expect(broken.accept({}, 1, silentLogger)).rejects.toMatchObject({ code: 'BUS_INVALID_MESSAGE', cause })
  })

  it('that are old are warned of once each, without their data', async () => {
    const old = topic('old', { schema: anything, version: 3, upcasts: { 1: (data) => data, 2: (data) => data } })
    const { logger, lines } = recordingLogger()
    for (const version of [1, 1, 2, 3, 1, 2]) await old.accept('hunter2', version, logger)
    expect(lines.map(([level, , fields]) => [level, fields])).toEqual([
      ['warn', { topic: 'old', version: 1, current: 3 }],
      ['warn', { topic: 'old', version: 2, current: 3 }],
    ])
  })
})
