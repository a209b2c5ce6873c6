/** Durations, numbers, words and times from options: taken exactly or refused with a code. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { durationMs, MAX_AGE_MS, oneOf, timeMs, wholeNumber } from '../../src/duration.js'
import { codeOf } from '../code-of.js'

const LONGEST = 2 ** 31 - 1
const isRefused = (call: () => unknown): boolean => codeOf(call) === 'BUS_INVALID_OPTION'

describe('durations', () => {
  it('are read in every unit', () => {
    const table: readonly (readonly [unknown, number])[] = [
      [0, 0],
      [0.5, 0.5],
      ['250ms', 250],
      ['30s', 30_000],
      ['2m', 120_000],
      ['4h', 14_400_000],
      ['7d', 604_800_000],
      ['1.5s', 1500],
      ['0ms', 0],
      [LONGEST, LONGEST],
      [`${LONGEST}ms`, LONGEST],
    ]
    for (const [value, ms] of table) expect(durationMs('wait', value)).toBe(ms)
  })

  const bad = [
    '',
    '5',
    's',
    '5 s',
    ' 5s',
    '5s ',
    '-5s',
    '+5s',
    '1e3s',
    '5S',
    '5sec',
    '1h30m',
    '.5s',
    '5.s',
    '٥s',
    'NaNs',
  ]
  const worse = [-1, Number.NaN, Infinity, -Infinity, LONGEST + 1, 2 ** 53, '25d', null, undefined, true, {}, [5], 5n]
  for (const value of [...bad, ...worse]) {
    it(`are refused when they are ${typeof value === 'string' ? JSON.stringify(value) : String(value)}`, () => {
      expect(isRefused(() => durationMs('wait', value))).toBe(true)
    })
  }

  it('may have a lower bound', () => {
    expect(durationMs('wait', '50ms', { min: 50 })).toBe(50)
    expect(isRefused(() => durationMs('wait', '49ms', { min: 50 }))).toBe(true)
  })

  it('may have an upper bound of their own: that of ages is a hundred years', () => {
    expect(durationMs('age', '25d', { max: MAX_AGE_MS })).toBe(25 * 86_400_000)
    expect(durationMs('age', '36525d', { max: MAX_AGE_MS })).toBe(MAX_AGE_MS)
    for (const value of ['36526d', MAX_AGE_MS + 1, Infinity])
      expect(isRefused(() => durationMs('age', value, { max: MAX_AGE_MS }))).toBe(true)
  })

  it('name the option and the value in their error, cut when it is long', () => {
    expect(() => durationMs('retry.base', 'soon')).toThrow(/retry\.base is "soon"/)
    expect(() => durationMs('wait', 'x'.repeat(100_000))).toThrow(/^.{0,400}$/)
  })
})

describe('whole numbers', () => {
  it('are safe integers within bounds, and nothing else', () => {
    fc.assert(
      fc.property(fc.oneof(fc.double(), fc.integer(), fc.anything()), (value) => {
        const isGood = typeof value === 'number' && Number.isSafeInteger(value) && value >= 1 && value <= 100
        expect(isRefused(() => wholeNumber('n', value, 1, 100))).toBe(!isGood)
      }),
    )
    for (const value of [0, 101, 1.5, 2 ** 53, '5', Number.NaN, null]) {
      expect(isRefused(() => wholeNumber('n', value, 1, 100))).toBe(true)
    }
    expect([wholeNumber('n', 1, 1, 100), wholeNumber('n', 100, 1, 100)]).toEqual([1, 100])
  })
})

describe('words', () => {
  it('are those of the list', () => {
    expect(oneOf('storage', 'file', ['file', 'memory'])).toBe('file')
    for (const value of ['File', '', 'files', 0, null, undefined, ['file'], Object('file')])
      expect(isRefused(() => oneOf('storage', value, ['file', 'memory']))).toBe(true)
  })
})

describe('times', () => {
  it('are dates, ISO 8601 texts or ms since 1970', () => {
    expect(timeMs('from', new Date(5))).toBe(5)
    expect(timeMs('from', '1970-01-01T00:00:01Z')).toBe(1000)
    expect(timeMs('from', 0)).toBe(0)
    expect(timeMs('from', '9999-12-31T23:59:59Z')).toBe(Date.UTC(9999, 11, 31, 23, 59, 59))
  })

  it('are refused when they are no time, or before 1970', () => {
    for (const value of [new Date('x'), 'yesterday', '', -1, '1969-12-31T23:59:59Z', Number.NaN, 1e17, null, {}, true])
      expect(isRefused(() => timeMs('from', value))).toBe(true)
  })
})
