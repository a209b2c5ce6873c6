/** Escapes: any text fits a narrow alphabet and comes back. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { escapeUnits, unescapeUnits } from '../../src/escape.js'

const UNSAFE = /[^A-Za-z]/g

describe('escapes', () => {
  it('turn any text into safe characters and back', () => {
    const text = fc.array(fc.integer({ min: 0, max: 0xffff })).map((units) => String.fromCharCode(...units))
    fc.assert(
      fc.property(text, (value) => {
        const escaped = escapeUnits(value, UNSAFE)
        expect(escaped).toMatch(/^[A-Za-z0-9%]*$/)
        expect(unescapeUnits(escaped)).toBe(value)
      }),
    )
  })

  it('are written in one way: two digits for one byte, four after a "u" for the rest', () => {
    expect(escapeUnits('a b%\xff\u0100😀', UNSAFE)).toBe('a%20b%25%FF%u0100%uD83D%uDE00')
  })

  it('that are broken or in lower case stay as they are', () => {
    for (const text of ['', 'plain', '%', '%2', '%u12', '%zz', '%ff', '100 %']) expect(unescapeUnits(text)).toBe(text)
  })
})
