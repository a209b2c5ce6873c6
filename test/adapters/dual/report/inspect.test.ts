/** The figures of a ledger: exact, whatever was removed, delayed, owed or is over age. */
import { afterAll, beforeAll, expect, it } from 'vitest'
import { inspectLedger, type LedgerFigures } from '../../../../adapters/dual/report/inspect.js'
import { consumerFigures } from '../../../../adapters/dual/sql/consumer-figures.js'
import { patternOf } from '../../../../adapters/dual/subject-pattern.js'
import { nth, range } from '../../../../testing/suite/expect.js'
import { type PostgresServer, startPostgres } from '../../../servers/postgres.js'
import { LedgerLab } from '../fixtures/ledger-lab.js'

let server: PostgresServer
beforeAll(async () => {
  server = await startPostgres()
})
afterAll(async () => {
  await server.stop()
})

const DAY_MS = 86_400_000
/** Of the payload that a lab makes of a subject. */
const BYTES = JSON.stringify('orders.1').length

function inspect(lab: LedgerLab): Promise<LedgerFigures> {
  return inspectLedger(lab.database, lab.streams)
}

it('an empty stream has nothing, and one that was emptied begins behind its last message', async () => {
  await using lab = await LedgerLab.open(server.url)
  const empty = { name: 'orders', subjects: ['orders.>'], messages: 0, bytes: 0, delayed: 0 }
  expect((await inspect(lab)).streams).toEqual([{ ...empty, firstSequence: 0, lastSequence: 0 }])
  await lab.publish('orders.1', 'orders.2', 'orders.3')
  await lab.forget('orders', 1, 2, 3)
  expect((await inspect(lab)).streams).toEqual([{ ...empty, firstSequence: 4, lastSequence: 3 }])
})

it('a stream is counted as its limits see it, and without what is over age', async () => {
  await using lab = await LedgerLab.open(server.url, [
    { name: 'orders', subjects: ['orders.>'] },
    { name: 'aging', subjects: ['aging.>'], maxAge: '1h' },
    { name: 'small', subjects: ['small.>'], maxMessages: 5, discard: 'old', maxAge: '1h' },
  ])
  await lab.publish(...range(1, 8).map((n) => `orders.${n}`))
  await lab.forget('orders', 1, 4)
  await lab.publish(...range(1, 8).map((n) => `aging.${n}`))
  await lab.age('aging', [1, 2, 3], DAY_MS)
  await lab.publish(...range(1, 8).map((n) => `small.${n}`))
  await lab.age('small', [4, 5], DAY_MS)
  await lab.sql(
    `insert into %.delayed (stream_id, due_at, id, deduped, subject, payload, hash, bytes)
     select 1, clock_timestamp() + interval '1 hour', 'later' || n, true, 'orders.1', '', '', 0 from generate_series(1, 3) n`,
  )
  const { streams } = await inspect(lab)
  expect(
    streams.map(({ name, messages, bytes, firstSequence, lastSequence, delayed }) => [
      name,
      messages,
      bytes,
      firstSequence,
      lastSequence,
      delayed,
    ]),
  ).toEqual([
    ['orders', 6, 6 * BYTES, 2, 8, 3],
    ['aging', 5, 5 * (BYTES - 1), 4, 8, 0],
    ['small', 3, 3 * (BYTES - 1), 6, 8, 0],
  ])
})

it('a consumer lacks what matches and is not settled, and what it is owed; nothing that is gone or over age', async () => {
  await using lab = await LedgerLab.open(server.url, [{ name: 'orders', subjects: ['orders.>'], maxAge: '1h' }])
  await lab.publish(...range(1, 20).map((n) => `orders.${n % 2 === 0 ? 'even' : 'odd'}`))
  const all = await lab.consumer('all', 'orders')
  const even = await lab.consumer('even', 'orders', ['orders.even'], 10)
  const lacking = async (): Promise<unknown> =>
    (await inspect(lab)).consumers.map(({ name, unsettled }) => [name, unsettled])
  expect(await lacking()).toEqual([
    ['all', 20],
    ['even', 5],
  ])
  await lab.settle(all, 1, 2, 3, 19)
  await lab.settle(even, 12, 13)
  await lab.sql('insert into %.owed values ($1, 2), ($1, 4), ($1, 6)', even)
  expect(await lacking()).toEqual([
    ['all', 16],
    ['even', 4 + 3],
  ])
  await lab.forget('orders', 4, 14, 19)
  expect(await lacking()).toEqual([
    ['all', 14],
    ['even', 3 + 2],
  ])
  await lab.age('orders', [1, 2, 3, 5, 6], DAY_MS)
  expect(await lacking()).toEqual([
    ['all', 12],
    ['even', 3],
  ])
})

it('for a consumer of everything the primary keys alone are read', async () => {
  await using lab = await LedgerLab.open(server.url)
  await lab.publish(...range(1, 2000).map((n) => ({ subject: `orders.${n}`, text: 'x'.repeat(500) })))
  const consumer = await lab.consumer('all', 'orders')
  await lab.settle(consumer, ...range(1, 500))
  await lab.sql('vacuum analyze %.ledger')
  await lab.sql('vacuum analyze %.settled')
  expect((await inspect(lab)).consumers).toEqual([{ name: 'all', stream: 'orders', unsettled: 1500 }])
  const { text } = consumerFigures(lab.database.schema)
  const plan = (await lab.sql<Record<'QUERY PLAN', string>>(`explain (analyze, costs off) ${text}`)).map(
    (row) => row['QUERY PLAN'],
  )
  const read = plan.filter((row) => /Scan.* on ledger/.test(row) && !row.includes('never executed'))
  expect(read).toHaveLength(1)
  expect(nth(read, 0)).toContain('Index Only Scan using ledger_pkey')
  expect(nth(read, 0)).toContain('rows=2000')
})

it('the view knows which pattern means everything', async () => {
  await using lab = await LedgerLab.open(server.url)
  const [view] = await lab.sql<{ definition: string }>(
    `select pg_get_viewdef('%.consumer_lag'::regclass) as definition`,
  )
  expect(view?.definition).toContain(`'${patternOf(['>'])}'`)
})
