/** The grammar of subjects and patterns against a table and against slow, obvious definitions of the same things. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  checkPattern,
  checkSubject,
  decodeToken,
  encodeToken,
  isPattern,
  match,
  matcherOf,
  overlap,
  subject,
} from '../../src/subject.js'
import { codeOf } from '../code-of.js'

const refusedEverywhere: readonly (readonly [string, unknown])[] = [
  ['nothing', ''],
  ['a dot', '.'],
  ['a last dot', 'a.'],
  ['a first dot', '.a'],
  ['two dots', 'a..b'],
  ['a ">" inside a token', 'a>b'],
  ['a "*" inside a token', 'a.b*'],
  ['two stars in a token', 'a.**'],
  ['a ">" that is not last', 'a.>.b'],
  ['a space', 'a b'],
  ['a tab', 'a\tb'],
  ['a carriage return', 'a\rb'],
  ['a line feed', 'a\nb'],
  ['a line feed at the end', 'a\n'],
  ['a protocol command', 'a\r\nPUB b 0\r\n'],
  ['NUL', 'a\0'],
  ['DEL', 'a\x7f'],
  ['U+0085', 'a\u0085b'],
  ['U+2028', 'a\u2028b'],
  ['U+2029', 'a\u2029b'],
  ['a byte order mark', '\ufeffa'],
  ['a right-to-left mark', 'a\u200fb'],
  ['an emoji', 'a.😀'],
  ['half a surrogate pair', 'a.\ud83d'],
  ['é in one unit', 'caf\u00e9'],
  ['é in two units', 'cafe\u0301'],
  ['a JetStream API subject', '$JS.API.STREAM.PURGE.x'],
  ['a system pattern', '$SYS.>'],
  ['a key-value subject', '$KV.bucket.key'],
  ['a later token that starts with a dollar', 'a.$b'],
  ['an inbox', '_INBOX.x'],
  ['every inbox', '_INBOX.>'],
  ['33 tokens', Array.from({ length: 33 }, () => 'a').join('.')],
  ['a token of 257 characters', 'a'.repeat(257)],
  ['1,025 characters', `${'a'.repeat(204)}.`.repeat(5).padEnd(1025, 'b')],
  ['4 KB', 'a.'.repeat(2048)],
  ['undefined', undefined],
  ['null', null],
  ['a number', 1],
  ['a String object', Object('a')],
  ['an array', ['a']],
  ['a symbol', Symbol('a')],
]

const patternsOnly = ['*', '>', 'a.*', 'a.>', '*.a', '*.>', 'a.*.b']
const takenEverywhere = [
  'a',
  'orders.42.placed',
  '%2E',
  '__proto__',
  'constructor',
  'toString',
  'a$',
  '_INBOXES.x',
  'a._INBOX',
  'a'.repeat(256),
  Array.from({ length: 32 }, () => 'a').join('.'),
  `${'a'.repeat(204)}.`.repeat(5).slice(0, -1),
  '!"#%&\'()+,-/:;<=?@[\\]^_`{|}~',
]

describe('checkSubject and checkPattern', () => {
  for (const [what, value] of refusedEverywhere) {
    it(`refuse ${what}`, () => {
      expect(codeOf(() => checkSubject(value))).toBe('BUS_INVALID_SUBJECT')
      expect(codeOf(() => checkPattern(value))).toBe('BUS_INVALID_SUBJECT')
    })
  }

  it('differ about wildcards only', () => {
    for (const pattern of patternsOnly) {
      expect(checkPattern(pattern)).toBe(pattern)
      expect(codeOf(() => checkSubject(pattern))).toBe('BUS_INVALID_SUBJECT')
      expect(isPattern(pattern)).toBe(true)
    }
    for (const text of takenEverywhere) {
      expect(checkSubject(text)).toBe(text)
      expect(checkPattern(text)).toBe(text)
      expect(isPattern(text)).toBe(false)
    }
  })

  it('give the same answer when they are asked again, and after thousands of other subjects', () => {
    for (let n = 0; n < 20_001; n++) checkSubject(`n.${n}`)
    expect(checkSubject('n.1')).toBe('n.1')
    expect(codeOf(() => checkSubject('n.>'))).toBe('BUS_INVALID_SUBJECT')
  })

  it('take exactly what a direct reading of the grammar takes', () => {
    const character = fc.constantFrom('a', '.', '*', '>', '$', ' ', '\n', 'é', '%', '_')
    fc.assert(
      fc.property(fc.string({ unit: character, maxLength: 6 }), (text) => {
        expect(codeOf(() => checkSubject(text)) === undefined).toBe(isLegal(text, false))
        expect(codeOf(() => checkPattern(text)) === undefined).toBe(isLegal(text, true))
      }),
      { numRuns: 2000 },
    )
  })
})

function isLegal(text: string, wildcards: boolean): boolean {
  const tokens = text.split('.')
  return tokens.every((token, at) => {
    if (wildcards && (token === '*' || (token === '>' && at === tokens.length - 1))) return true
    return (
      token.length > 0 && !token.startsWith('$') && [...token].every((c) => c > ' ' && c <= '~' && !'*>'.includes(c))
    )
  })
}

const anyString = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 40 }),
  fc.array(fc.integer({ min: 0, max: 0xffff }), { maxLength: 20 }).map((units) => String.fromCharCode(...units)),
)

describe('encodeToken', () => {
  it('turns any string into one legal token and back, half surrogate pairs included', () => {
    fc.assert(
      fc.property(anyString, (text) => {
        const token = encodeToken(text)
        expect(token).not.toContain('.')
        expect(checkSubject(token)).toBe(token)
        expect(decodeToken(token)).toBe(text)
      }),
      { numRuns: 2000 },
    )
  })

  it('gives different strings different tokens', () => {
    fc.assert(
      fc.property(anyString, anyString, (a, b) => {
        expect(encodeToken(a) === encodeToken(b)).toBe(a === b)
      }),
    )
    const lookalikes = ['', '%', '%25', '%u0025', 'é', 'e\u0301', '%E9', ' ', '\0', '_INBOX', '%5F']
    expect(new Set(lookalikes.map(encodeToken)).size).toBe(lookalikes.length)
  })

  it('leaves letters, digits, "-" and "_" as they are', () => {
    expect(encodeToken('aZ09-_')).toBe('aZ09-_')
  })

  it('refuses what is not a string', () => {
    for (const value of [undefined, null, 1, {}, Object('a')]) {
      expect(codeOf(() => encodeToken(value as string))).toBe('BUS_INVALID_SUBJECT')
    }
  })
})

describe('the subject tag', () => {
  it('never lets a value add a token, a wildcard or a server namespace', () => {
    fc.assert(
      fc.property(anyString, (value) => {
        const built = subject`orders.${value}.placed`
        expect(built.split('.')).toHaveLength(3)
        expect(isPattern(built)).toBe(false)
        expect(decodeToken(built.split('.')[1] ?? '')).toBe(value)
      }),
    )
    for (const value of ['$JS', '$SYS', '$KV', '*', '>', 'a.b'])
      expect(subject`${value}.x`.startsWith(value)).toBe(false)
  })

  it('keeps a value out of the inboxes', () => {
    expect(codeOf(() => subject`${'_INBOX'}.x`)).toBe('BUS_INVALID_SUBJECT')
  })

  it('reports a value that is too long for a token', () => {
    expect(codeOf(() => subject`orders.${'é'.repeat(100)}`)).toBe('BUS_INVALID_SUBJECT')
  })
})

const token = fc.constantFrom('a', 'b', 'ab')
const tokens = fc.array(token, { minLength: 1, maxLength: 4 })
const pattern = fc
  .tuple(fc.array(fc.oneof(token, fc.constant('*')), { maxLength: 4 }), fc.boolean())
  .map(([start, open]) => [...start, ...(open || start.length === 0 ? ['>'] : [])])

/** The definition, token by token. */
function takes(wanted: readonly string[], given: readonly string[]): boolean {
  const [first, ...rest] = wanted
  if (first === undefined) return given.length === 0
  if (given.length === 0) return false
  if (first === '>') return true
  return (first === '*' || first === given[0]) && takes(rest, given.slice(1))
}

describe('match', () => {
  it('equals the recursive definition', () => {
    fc.assert(
      fc.property(pattern, tokens, (wanted, given) => {
        const [pattern, subject] = [wanted.join('.'), given.join('.')]
        expect(match(pattern, subject)).toBe(takes(wanted, given))
        expect(matcherOf(pattern)(subject)).toBe(takes(wanted, given))
      }),
      { numRuns: 3000 },
    )
  })

  it('needs at least one token for ">" and exactly one for "*"', () => {
    expect(match('a.>', 'a')).toBe(false)
    expect(match('a.>', 'a.b.c')).toBe(true)
    expect(match('a.*', 'a')).toBe(false)
    expect(match('a.*', 'a.b.c')).toBe(false)
    expect(match('a.b*', 'a.bc')).toBe(false)
  })
})

describe('overlap', () => {
  const alphabet = ['a', 'b', 'ab']
  const every: string[][] = [[]]
  for (let at = 0; (every[at]?.length ?? 5) < 5; at++) {
    for (const next of alphabet) every.push([...(every[at] ?? []), next])
  }
  const subjects = every.slice(1)

  it('holds exactly when some subject matches both patterns', () => {
    fc.assert(
      fc.property(pattern, pattern, (a, b) => {
        const shared = subjects.some((given) => takes(a, given) && takes(b, given))
        expect(overlap(a.join('.'), b.join('.'))).toBe(shared)
        expect(overlap(b.join('.'), a.join('.'))).toBe(shared)
      }),
      { numRuns: 1000 },
    )
  })
})
