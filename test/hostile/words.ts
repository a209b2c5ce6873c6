/** Hostile words and values, fixed and generated, for everything that a caller can hand to a bus. */
import fc from 'fast-check'

/** Text that has broken some parser before. */
export const NASTY: readonly string[] = [
  '',
  ' ',
  '.',
  'a.',
  '.a',
  'a..b',
  '*',
  '>',
  'a.*',
  'a.>',
  'a>b',
  'a b',
  'a\tb',
  'a\rb',
  'a\nb',
  'a\0b',
  'a\r\nPUB x 0\r\n\r\n',
  'a\r\nNats-Rollup: all',
  'a\u0085b',
  'a\u2028b',
  '\ufeffa',
  'a\u200fb',
  'a\u202eb',
  '\ud83d',
  '\ude00\ud83d',
  '🚋',
  'é',
  'e\u0301',
  '%2E',
  '%u00',
  '%',
  '$JS.API.STREAM.PURGE.x',
  '$SYS.>',
  '_INBOX.x',
  '__proto__',
  'constructor',
  'toString',
  'hasOwnProperty',
  "'; drop table ledger; --",
  '"',
  '\\',
  '{}',
  'NULL',
  'null',
  '../../etc/passwd',
  '#{7*7}',
  'NATS/1.0 503',
  'Nats-Msg-Id',
  'dead/x/y/1/z',
  'A'.repeat(256),
  'A'.repeat(257),
  '漢'.repeat(256),
  'a.'.repeat(40),
]

/** Any UTF-16 units, halves of pairs included. */
const units: fc.Arbitrary<string> = fc
  .array(fc.integer({ min: 0, max: 0xffff }), { maxLength: 12 })
  .map((codes) => String.fromCharCode(...codes))

/** Any text. */
export const text: fc.Arbitrary<string> = fc.oneof(
  { weight: 4, arbitrary: fc.constantFrom(...NASTY) },
  { weight: 2, arbitrary: fc.string({ unit: 'binary', maxLength: 20 }) },
  { weight: 1, arbitrary: units },
  {
    weight: 1,
    arbitrary: fc.tuple(fc.constantFrom(...NASTY), fc.string({ maxLength: 8 })).map((both) => both.join('')),
  },
)

/** Text that can be part of an identifier on every backend: most of it is, some of it is not. */
export const printable: fc.Arbitrary<string> = fc.oneof(
  { weight: 3, arbitrary: fc.string({ unit: 'grapheme', minLength: 1, maxLength: 30 }) },
  { weight: 1, arbitrary: text },
)

export const NUMBERS: readonly unknown[] = [
  0,
  -0,
  1,
  -1,
  0.5,
  1.5,
  1000 / 3,
  5e-324,
  Number.NaN,
  Number.POSITIVE_INFINITY,
  Number.NEGATIVE_INFINITY,
  2 ** 31 - 1,
  2 ** 31,
  2 ** 32,
  2 ** 53 - 1,
  2 ** 53,
  1e20,
  10n,
  '0',
  '5',
  '1e3',
  '0x10',
  '',
  ' 5s',
  '5s',
  '50ms',
  '1.5s',
  '24d',
  '25d',
  '-5s',
  '٥s',
  '5s\n',
]

/** A number, or what passes for one. */
export const number: fc.Arbitrary<unknown> = fc.oneof(
  fc.constantFrom(...NUMBERS),
  fc.double(),
  fc.integer({ min: -10, max: 100_000 }),
)

class Odd {
  readonly #hidden = 1
  get hidden(): number {
    return this.#hidden
  }
}

/** Values of the wrong kind. */
export const THINGS: readonly unknown[] = [
  undefined,
  null,
  true,
  false,
  Symbol('s'),
  () => 1,
  [],
  [undefined],
  {},
  Object.create(null),
  Object('text'),
  new Map([['a', 'b']]),
  new Set(['a']),
  new Date(Number.NaN),
  new Date(0),
  /x/,
  new Odd(),
  Promise.resolve(1),
  new Error('as a value'),
  new Uint8Array(3),
]

/** Anything that a program without types can pass. */
export const junk: fc.Arbitrary<unknown> = fc.oneof(
  fc.constantFrom(...THINGS),
  text,
  number,
  fc.dictionary(
    fc.constantFrom(
      'id',
      'key',
      'headers',
      'delay',
      'timeout',
      'signal',
      'from',
      'to',
      'stream',
      'name',
      'limit',
      'dryRun',
    ),
    fc.oneof(fc.constantFrom(...THINGS), text, number),
    { maxKeys: 4 },
  ),
)
