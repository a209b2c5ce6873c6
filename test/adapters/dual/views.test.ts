/** The views for people: they never fail, whatever was published, and they say what the bus says. */
import fc from 'fast-check'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { toDeadLetter } from '../../../src/dead-letter.js'
import { escapeUnits } from '../../../src/escape.js'
import { NO_HEADERS } from '../../../src/message.js'
import { range } from '../../../testing/suite/expect.js'
import { type PostgresServer, startPostgres } from '../../servers/postgres.js'
import { LedgerLab } from './fixtures/ledger-lab.js'

let server: PostgresServer
beforeAll(async () => {
  server = await startPostgres()
})
afterAll(async () => {
  await server.stop()
})

const VIEWS = ['messages', 'consumer_lag', 'dead_letters', 'throughput'] as const

it('PG-B1: PG-B2: whatever a payload is, the messages can be read, as text and as JSON where they are that', async () => {
  await using lab = await LedgerLab.open(server.url)
  const payloads: readonly (readonly [payload: string | Uint8Array, text: unknown, data: unknown])[] = [
    ['{"b":1,"a":[true,null]}', '{"b":1,"a":[true,null]}', { a: [true, null], b: 1 }],
    ['"é 漢 😀"', '"é 漢 😀"', 'é 漢 😀'],
    ['{"nul":"\\u0000"}', '{"nul":"\\u0000"}', null],
    ['"\\ud800"', '"\\ud800"', null],
    ['a\0b', null, null],
    [Uint8Array.of(0xff, 0xfe, 0x00), null, null],
    ['not JSON', 'not JSON', null],
    ['', '', null],
    ['1e400000', '1e400000', null],
    ['['.repeat(100_000), '['.repeat(100_000), null],
  ]
  for (const [payload] of payloads) await lab.publish({ subject: 'orders.1', payload: Buffer.from(payload) })
  await lab.publish({ subject: 'orders.1', payload: Buffer.from('7'), headers: { 'Busbar-Content': 'bytes' } })
  await lab.publish(
    { subject: 'orders.1', headers: { half: '\ud800', whole: 'w' } },
    { subject: 'orders.1', headers: { a: 'é' } },
  )
  const rows = await lab.sql<{ text: unknown; data: unknown; headers: unknown; payload: Buffer }>(
    'select text, data, headers, payload from %.messages order by position',
  )
  const plain = rows.slice(0, payloads.length)
  expect(plain.map(({ text, data }) => [text, data])).toEqual(payloads.map(([, text, data]) => [text, data]))
  expect(plain.map(({ payload }) => payload)).toEqual(payloads.map(([payload]) => Buffer.from(payload)))
  expect(rows.slice(-3).map(({ text, data, headers }) => [text, data, headers])).toEqual([
    ['7', null, { 'Busbar-Content': 'bytes' }],
    ['"orders.1"', 'orders.1', null],
    ['"orders.1"', 'orders.1', { a: 'é' }],
  ])
})

const ORIGINAL = {
  stream: 'orders',
  time: 1_700_000_000_123,
  id: 'ä 1',
  subject: 'orders.1',
  key: 'k',
  headers: { own: 'x' },
  payload: Buffer.from('{"n":1}'),
}

/** Of a message that failed five times, the last time with that error. */
async function bury(lab: LedgerLab, sequence: number, lastError: string): Promise<void> {
  const message = { ...ORIGINAL, sequence }
  const failure = { message, attempts: 5, firstError: 'first', lastError, firstFailedAt: 1_700_000_001_000 }
  const letter = toDeadLetter(failure, 'exhausted', 'billing', 'dead.billing', 1_700_000_002_000, 4096)
  const { id, headers, payload } = letter
  await lab.publish({ subject: 'dead.billing', id, key: ORIGINAL.key, headers, payload })
}

it('PG-B2: dead letters are told with their escapes undone, whatever the errors were', async () => {
  const streams = ['dead', 'orders'].map((name) => ({ name, subjects: [`${name}.>`] }))
  await using lab = await LedgerLab.open(server.url, streams)
  const errors = [
    ['Error: bad "total" in \\ 100% of é 漢 😀'],
    ['line one\nline two'],
    ['nul \0 and half \ud800 a pair \udc00', 'nul \ufffd and half \ufffd a pair \ufffd'],
    ['raw %41 \\u0041 "Busbar-Dead-Consumer":'],
  ] as const
  for (const [at, [error]] of errors.entries()) await bury(lab, at + 1, error)
  await lab.publish({ subject: 'orders.1', headers: { quoted: '"Busbar-Dead-Consumer":' } })
  const rows = await lab.sql<Record<string, unknown>>('select * from %.dead_letters order by position')
  expect(rows.map((row) => row.last_error)).toEqual(errors.map(([error, shown = error]) => shown))
  expect(rows[0]).toMatchObject({
    stream: 'dead',
    position: '1',
    consumer: 'billing',
    reason: 'exhausted',
    id: 'ä 1',
    subject: 'orders.1',
    key: 'k',
    original_stream: 'orders',
    original_position: '1',
    attempts: '5',
    first_error: 'first',
    published_at: new Date(ORIGINAL.time),
    first_failed_at: new Date(1_700_000_001_000),
    dead_at: new Date(1_700_000_002_000),
    text: '{"n":1}',
  })
})

it('what escape.ts writes is read back by the database, and no text makes it fail', async () => {
  await using lab = await LedgerLab.open(server.url)
  const restored = async (texts: readonly string[]): Promise<unknown[]> => {
    const rows = await lab.sql<{ text: unknown }>(
      'select %.unescaped(t) as text from unnest($1::text[]) with ordinality u(t, n) order by n',
      texts,
    )
    return rows.map(({ text }) => text)
  }
  const whole = fc
    .string({ unit: 'grapheme', maxLength: 20 })
    .map((text) => `${Buffer.from(text.replaceAll('\0', '')).toString()}%`)
  await fc.assert(
    fc.asyncProperty(fc.array(whole, { minLength: 1, maxLength: 20 }), async (texts) => {
      const escaped = texts.map((text) => escapeUnits(text, /[^ -$&-~]/g))
      expect(await restored(escaped)).toEqual(texts)
    }),
    { numRuns: 100 },
  )
  const odd = fc.array(
    fc.constantFrom('%', 'u', 'D83D', '%uD83D', '%uDE00', '%00', '%u0000', '\\', '"', '\\u0000', '%7F', 'é'),
    { maxLength: 12 },
  )
  await fc.assert(
    fc.asyncProperty(
      fc.array(
        odd.map((parts) => parts.join('')),
        { minLength: 1, maxLength: 20 },
      ),
      async (texts) => {
        for (const text of await restored(texts)) expect(typeof text).toBe('string')
      },
    ),
    { numRuns: 100 },
  )
})

it('the lag of a consumer says how much is left and since when, and throughput counts by minute and stream', async () => {
  await using lab = await LedgerLab.open(server.url)
  await lab.publish(...range(1, 10).map((n) => `orders.${n}`))
  await lab.age('orders', range(1, 4), 120_000)
  const consumer = await lab.consumer('billing', 'orders')
  await lab.settle(consumer, 1, 2, 4)
  const [lag] = await lab.sql<{ oldest_time: Date }>('select * from %.consumer_lag')
  expect(lag).toMatchObject({ consumer: 'billing', stream: 'orders', settled_up_to: '0', unsettled: '7' })
  expect(Date.now() - Number(lag?.oldest_time)).toBeGreaterThan(110_000)
  const minutes = await lab.sql<{ messages: string; bytes: string; stream: string }>(
    'select * from %.throughput order by minute',
  )
  expect(minutes.length).toBeGreaterThan(1)
  expect(minutes.reduce((sum, { messages }) => sum + Number(messages), 0)).toBe(10)
  await lab.settle(consumer, ...range(3, 10))
  expect(await lab.sql('select unsettled, oldest_time from %.consumer_lag')).toEqual([
    { unsettled: '0', oldest_time: null },
  ])
})

it('no view shows what is over age', async () => {
  await using lab = await LedgerLab.open(server.url, [{ name: 'orders', subjects: ['orders.>'], maxAge: '1h' }])
  await lab.publish({ subject: 'orders.1', headers: { ...NO_HEADERS, 'Busbar-Dead-Consumer': 'x' } })
  await lab.consumer('billing', 'orders')
  await lab.age('orders', [1], 7_200_000)
  const [lag, ...rest] = await Promise.all(
    (['consumer_lag', 'messages', 'dead_letters'] as const).map((view) =>
      lab.sql<Record<string, unknown>>(`select * from %.${view}`),
    ),
  )
  expect([lag?.[0]?.unsettled, ...rest]).toEqual(['0', [], []])
})

it('every view is there', async () => {
  await using lab = await LedgerLab.open(server.url)
  const rows = await lab.sql<{ name: string }>(
    'select viewname as name from pg_views where schemaname = $1 order by 1',
    lab.options.schema,
  )
  expect(rows.map(({ name }) => name)).toEqual([...VIEWS].sort())
})
