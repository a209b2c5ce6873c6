/** Patterns as regular expressions, judged by PostgreSQL itself. */
import fc from 'fast-check'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { patternOf } from '../../../adapters/dual/subject-pattern.js'
import { match } from '../../../src/subject.js'
import { type PostgresServer, startPostgres } from '../../servers/postgres.js'
import { LedgerLab } from './fixtures/ledger-lab.js'

let server: PostgresServer
beforeAll(async () => {
  server = await startPostgres()
})
afterAll(async () => {
  await server.stop()
})

/** Few words, so that patterns and subjects often meet; and whatever else a token may hold, what is special to an expression included. */
const word = fc.constantFrom('a', 'b', 'aa', 'a-b', '%2E', '\\', '[a]', 'a+', '^a$', '(a|b)', '{1}', '?', '_')
const other = fc.string({
  unit: fc.integer({ min: 33, max: 126 }).map((code) => String.fromCharCode(code)),
  minLength: 1,
  maxLength: 6,
})
const token = fc.oneof(
  { weight: 4, arbitrary: word },
  { weight: 1, arbitrary: other.filter((text) => !/[.*>]/.test(text)) },
)
const subject = fc.array(token, { minLength: 1, maxLength: 4 }).map((tokens) => tokens.join('.'))
const pattern = fc
  .tuple(fc.array(fc.oneof(token, fc.constant('*')), { minLength: 1, maxLength: 4 }), fc.boolean())
  .map(([tokens, isOpen]) => (isOpen ? [...tokens.slice(0, -1), '>'] : tokens).join('.'))

it('a regular expression takes the subjects that its patterns take, and no others', async () => {
  await using lab = await LedgerLab.open(server.url)
  let taken = 0
  const cases = fc.tuple(
    fc.array(pattern, { minLength: 1, maxLength: 3 }),
    fc.array(subject, { minLength: 1, maxLength: 30 }),
  )
  await fc.assert(
    fc.asyncProperty(cases, async ([patterns, subjects]) => {
      const rows = await lab.sql<{ matches: boolean }>(
        'select s ~ $1 as matches from unnest($2::text[]) with ordinality u(s, n) order by n',
        patternOf(patterns),
        subjects,
      )
      const expected = subjects.map((each) => patterns.some((one) => match(one, each)))
      taken += expected.filter(Boolean).length
      expect(rows.map(({ matches }) => matches)).toEqual(expected)
    }),
    { numRuns: 300 },
  )
  expect(taken).toBeGreaterThan(100)
})
