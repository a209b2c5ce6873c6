/** Questions about the past: by stream, key, id, time and subject, either way, and what they cost. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { history } from '../../../../adapters/dual/read/history.js'
import { positionsOfId } from '../../../../adapters/dual/sql/positions-of-id.js'
import { type Stretch, scanPage } from '../../../../adapters/dual/sql/scan-page.js'
import type { LedgerQuery } from '../../../../src/ledger.js'
import { nth, range } from '../../../../testing/suite/expect.js'
import { codeOfAsync } from '../../../code-of.js'
import { type PostgresServer, startPostgres } from '../../../servers/postgres.js'
import { startProxy } from '../../../servers/proxy.js'
import { LedgerLab } from '../fixtures/ledger-lab.js'

let server: PostgresServer
beforeAll(async () => {
  server = await startPostgres()
})
afterAll(async () => {
  await server.stop()
})

const STREAMS = [
  { name: 'orders', subjects: ['orders.>'] },
  { name: 'invoices', subjects: ['invoices.>'] },
]

async function ask(lab: LedgerLab, query: Partial<LedgerQuery> = {}): Promise<string[]> {
  const found: string[] = []
  const whole = { filters: [], order: 'oldest-first', limit: Number.MAX_SAFE_INTEGER, ...query } as const
  for await (const { stream, sequence } of history(lab.database, whole)) found.push(`${stream} ${sequence}`)
  return found
}

function places(stream: string, from: number, to: number): string[] {
  return range(from, to).map((position) => `${stream} ${position}`)
}

describe('history', () => {
  it('goes through every stream, each in its order, either way, as far as asked', async () => {
    await using lab = await LedgerLab.open(server.url, STREAMS)
    await lab.publish(...range(1, 300).flatMap((n) => [`orders.${n}`, `invoices.${n}`]))
    const all = [...places('orders', 1, 300), ...places('invoices', 1, 300)]
    expect(await ask(lab)).toEqual(all)
    expect(await ask(lab, { order: 'newest-first' })).toEqual(all.toReversed())
    expect(await ask(lab, { limit: 301 })).toEqual(all.slice(0, 301))
    expect(await ask(lab, { stream: 'invoices', order: 'newest-first', limit: 2 })).toEqual([
      'invoices 300',
      'invoices 299',
    ])
    expect(await ask(lab, { filters: ['*.7', 'orders.300'] })).toEqual(['orders 7', 'orders 300', 'invoices 7'])
  })

  it('finds the messages of a key, however far apart, and no others', async () => {
    await using lab = await LedgerLab.open(server.url, STREAMS)
    for (const n of range(0, 4))
      await lab.publish(
        ...range(1, 600).map((i) => ({ subject: `orders.${i % 2}`, key: i === 300 ? 'mine' : `k${n}-${i}` })),
      )
    const mine = range(0, 4).map((n) => `orders ${600 * n + 300}`)
    expect(await ask(lab, { key: 'mine' })).toEqual(mine)
    expect(await ask(lab, { key: 'mine', order: 'newest-first', limit: 2 })).toEqual(mine.toReversed().slice(0, 2))
    expect(await ask(lab, { key: 'mine', filters: ['orders.1'] })).toEqual([])
    expect(await ask(lab, { key: 'nobody' })).toEqual([])
  })

  it('finds an id, its redriven copies too, and ids of streams that recognise nothing', async () => {
    await using lab = await LedgerLab.open(server.url, [
      ...STREAMS,
      { name: 'plain', subjects: ['plain.>'], dedupWindow: 0 },
    ])
    await lab.publish('orders.1', { subject: 'orders.2', id: 'x' }, { subject: 'invoices.1', id: 'x' })
    await lab.publish(
      { subject: 'orders.2', id: 'x', dedupId: 'x/redrive/9' },
      { subject: 'orders.3', id: 'x/redrive/9', dedupId: 'z' },
    )
    await lab.publish({ subject: 'plain.1', id: 'x' }, { subject: 'plain.2', id: 'x' }, 'plain.3')
    expect(await ask(lab, { id: 'x' })).toEqual(['orders 2', 'orders 3', 'invoices 1', 'plain 1', 'plain 2'])
    expect(await ask(lab, { id: 'x', stream: 'orders', order: 'newest-first' })).toEqual(['orders 3', 'orders 2'])
    expect(await ask(lab, { id: 'x/redrive/9' })).toEqual(['orders 4'])
    expect(await ask(lab, { id: 'x', filters: ['plain.2'] })).toEqual(['plain 2'])
    expect(await ask(lab, { id: 'missing' })).toEqual([])
  })

  it('by time includes both ends, and what is over age is not found', async () => {
    await using lab = await LedgerLab.open(server.url, [
      nth(STREAMS, 0),
      { name: 'invoices', subjects: ['invoices.>'], maxAge: '1h' },
    ])
    await lab.publish(...range(1, 6).map((n) => `orders.${n}`), 'invoices.1', 'invoices.2')
    const start = Date.now() - 10_000
    for (const n of range(1, 6))
      await lab.sql(
        'update %.ledger set time = to_timestamp($1::float8 / 1000) where position = $2 and stream_id = 1',
        start + n,
        n,
      )
    await lab.age('invoices', [1], 7_200_000)
    expect(await ask(lab, { fromMs: start + 2, toMs: start + 4 })).toEqual(places('orders', 2, 4))
    expect(await ask(lab, { fromMs: start + 6.5 })).toEqual(['invoices 2'])
    expect(await ask(lab, { toMs: start + 1, order: 'newest-first' })).toEqual(['orders 1'])
    expect(await ask(lab)).toEqual([...places('orders', 1, 6), 'invoices 2'])
  })

  it('does not run after what is being published', async () => {
    await using lab = await LedgerLab.open(server.url, STREAMS)
    await lab.publish('orders.1', 'orders.2')
    const seen: number[] = []
    for await (const { sequence } of history(lab.database, { filters: [], order: 'oldest-first', limit: 100 })) {
      seen.push(sequence)
      await lab.publish('orders.9')
    }
    expect(seen).toEqual([1, 2])
  })

  it('of a missing stream is refused, and an outage rejects', async () => {
    const proxy = await startProxy(server.port)
    await using lab = await LedgerLab.open(server.url.replace(String(server.port), String(proxy.port)), STREAMS)
    expect(await codeOfAsync(() => ask(lab, { stream: 'missing' }))).toBe('BUS_NOT_FOUND')
    proxy.cut()
    expect(await codeOfAsync(() => ask(lab))).toBe('BUS_UNAVAILABLE')
    await proxy.stop()
  })
})

describe('what a question costs', () => {
  it('a key, an id and a time are found by an index; a rare subject in bounded stretches of the primary key', async () => {
    await using lab = await LedgerLab.open(server.url, STREAMS)
    await lab.sql(
      `insert into %.ledger select 1, n, clock_timestamp(), 'i' || n, null, true, 'orders.' || mod(n, 1000), 'k' || mod(n, 5000), null, '', '', 0
       from generate_series(1, 60000) n`,
    )
    await lab.sql('vacuum analyze %.ledger')
    const { schema } = lab.database
    const stretch: Stretch = {
      stream: 1,
      first: 1,
      last: 60_000,
      order: 'oldest-first',
      limit: 1000,
      maxBytes: 1_000_000,
    }
    const rowsRead = async ({ text, values = [] }: { text: string; values?: readonly unknown[] }): Promise<number> => {
      const plan = await lab.sql<Record<'QUERY PLAN', string>>(`explain (analyze, timing off) ${text}`, ...values)
      const scans = plan.map((row) => row['QUERY PLAN']).filter((row) => /Scan/.test(row) && / on ledger/.test(row))
      const removed = plan.map((row) => Number(/Rows Removed by Filter: (\d+)/.exec(row['QUERY PLAN'])?.[1] ?? 0))
      const read = scans.map((row) => /actual rows=(\d+)(?:\.\d+)? loops=(\d+)/.exec(row))
      return [...removed, ...read.map((found) => Number(found?.[1] ?? 0) * Number(found?.[2] ?? 0))].reduce(
        (a, b) => a + b,
        0,
      )
    }
    const everything = { filters: [], maxAgeMs: null }
    expect(await rowsRead(scanPage(schema, stretch, { ...everything, key: 'k77' }))).toBeLessThan(100)
    expect(
      await rowsRead(scanPage(schema, { ...stretch, order: 'newest-first' }, { ...everything, key: 'k77' })),
    ).toBeLessThan(100)
    expect(await rowsRead(positionsOfId(schema, 'i77', [1, 2]))).toBeLessThan(10)
    expect(await rowsRead(scanPage(schema, stretch, { ...everything, filters: ['orders.none'] }))).toBeLessThan(20_100)
    const at = await lab.sql<Record<'QUERY PLAN', string>>(
      "explain (analyze, buffers, timing off) select %.position_at(1, clock_timestamp() - interval '1 second')",
    )
    const pages = at
      .map((row) => /shared hit=(\d+)(?: read=(\d+))?/.exec(row['QUERY PLAN']))
      .find((found) => found !== null)
    expect(Number(pages?.[1]) + Number(pages?.[2] ?? 0)).toBeLessThan(300)
  })
})
