/** PG-O5: what is parked must not be walked over. Told by the pages that a statement touches, not by a clock. */
import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, expect, it } from 'vitest'
import type { Statement } from '../../../../adapters/dual/database/database.js'
import { toColumns } from '../../../../adapters/dual/publish/columns.js'
import { type Draft, toDrafts } from '../../../../adapters/dual/publish/drafts.js'
import { NOBODY } from '../../../../adapters/dual/relay/outbox.js'
import { append } from '../../../../adapters/dual/sql/append.js'
import { appendGroup } from '../../../../adapters/dual/sql/append-group.js'
import { lead } from '../../../../adapters/dual/sql/lead.js'
import { leftBehind } from '../../../../adapters/dual/sql/left-behind.js'
import { notNeeded } from '../../../../adapters/dual/sql/not-needed.js'
import { outboxHead } from '../../../../adapters/dual/sql/outbox-head.js'
import { promote } from '../../../../adapters/dual/sql/promote.js'
import { relayed } from '../../../../adapters/dual/sql/relayed.js'
import { settle } from '../../../../adapters/dual/sql/settle.js'
import { takeRanges } from '../../../../adapters/dual/sql/take-ranges.js'
import { NO_HEADERS } from '../../../../src/message.js'
import { type PostgresServer, startPostgres } from '../../../servers/postgres.js'
import { ORDERS } from '../fixtures/dual-lab.js'
import { LedgerLab } from '../fixtures/ledger-lab.js'

const PARKED = 100_000
/** Trees are a level higher, and the head of the outbox is read up to its limit of 100 ranges. */
const MORE_PAGES = 300
const [US, THEM] = [randomUUID(), randomUUID()]

let postgres: PostgresServer
beforeAll(async () => {
  postgres = await startPostgres()
})
afterAll(() => postgres.stop())

interface Plan {
  readonly Plan: { readonly 'Shared Hit Blocks': number; readonly 'Shared Read Blocks': number }
}

/** Pages that each statement touches, undone afterwards. */
async function pages(lab: LedgerLab): Promise<Record<string, number>> {
  const { schema } = lab.database
  const { id } = lab.streams.require('orders')
  const [consumer] = await lab.sql<{ id: number }>('select id from %.consumers')
  const own = consumer?.id ?? 0
  const statements: Record<string, Statement> = {
    publish: appendGroup(schema, US, toColumns([draft(lab, 'orders')]), true, 1000),
    'publish with a limit': appendGroup(schema, US, toColumns([draft(lab, 'hoard')]), true, 1000),
    'publish in a transaction': append(schema, NOBODY, toDrafts([draft(lab, 'orders')]), false, null),
    patrol: leftBehind(schema, US),
    head: outboxHead(schema, id, 100),
    lead: lead(schema, id, US, 2000),
    take: takeRanges(schema, id, ['1'], US),
    relayed: relayed(schema, US, [id], [1]),
    settle: settle(schema, [own], [PARKED + 5]),
    ask: notNeeded(schema, own, [1, PARKED]),
    promote: promote(schema, US),
  }
  const found: Record<string, number> = {}
  for (const [name, { text, values = [] }] of Object.entries(statements)) found[name] = await touched(lab, text, values)
  return found
}

function draft(lab: LedgerLab, stream: string): Draft {
  const id = randomUUID()
  const message = { id, dedupId: id, subject: `${stream}.a`, key: 'k', headers: NO_HEADERS, payload: Buffer.from('1') }
  return { stream: lab.streams.require(stream), message: { ...message, isFresh: false, delayMs: 0 } }
}

async function park(lab: LedgerLab, owner: string): Promise<void> {
  const rows = (table: string, columns: string, values: string) =>
    lab.sql(
      `insert into %.${table} (${columns}) select s.id, ${values} from %.streams s, generate_series(2, ${PARKED}) n`,
    )
  const content = ['subject, payload, hash, bytes', `s.name || '.a', '1', '\\x00', 1`]
  await rows(
    'ledger',
    `stream_id, position, time, id, deduped, ${content[0]}`,
    `n, clock_timestamp(), 'p' || n, true, ${content[1]}`,
  )
  await rows('outbox', 'stream_id, first, last, owner', `n, n, '${owner}'`)
  const due = `clock_timestamp() + interval '1 day'`
  await rows('delayed', `stream_id, due_at, id, deduped, ${content[0]}`, `${due}, 'd' || n, true, ${content[1]}`)
  await lab.sql(`update %.streams set high = ${PARKED}, messages = ${PARKED}, bytes = ${PARKED}`)
  await lab.sql('vacuum analyze %.ledger, %.outbox, %.delayed')
}

async function touched(lab: LedgerLab, text: string, values: readonly unknown[]): Promise<number> {
  const client = await lab.database.connect('work')
  await client.query('begin')
  let plan: Plan | undefined
  // Once before, so that what is planned and cached is not counted.
  for (let n = 0; n < 2; n++) {
    await client.query('savepoint before')
    const { rows } = await client.query<{ 'QUERY PLAN': Plan[] }>(`explain (analyze, buffers, format json) ${text}`, [
      ...values,
    ])
    plan = rows[0]?.['QUERY PLAN'][0]
    await client.query('rollback to before')
  }
  await client.query('rollback')
  client.release()
  return (plan?.Plan['Shared Hit Blocks'] ?? 0) + (plan?.Plan['Shared Read Blocks'] ?? 0)
}

it.each([
  ['our own ranges', US],
  ['ranges of others', THEM],
])(
  `PG-O5: with ${PARKED} %s in the outbox and as many messages unsettled and delayed, no statement does more`,
  {
    timeout: 60_000,
  },
  async (_, owner) => {
    const hoard = { name: 'hoard', subjects: ['hoard.>'], maxMessages: 10 * PARKED, maxAge: '1d' } as const
    await using lab = await LedgerLab.open(postgres.url, [ORDERS, hoard], { statementTimeout: '60s' })
    await lab.consumer('billing', 'orders')
    await lab.publish('orders.1', 'hoard.1')
    await lab.sql(`update %.outbox set owner = '${owner}'`)
    const before = await pages(lab)
    await park(lab, owner)
    const after = await pages(lab)
    const grown = Object.entries(before).filter(([name, pages]) => (after[name] ?? 0) > pages + MORE_PAGES)
    expect(grown.map(([name, pages]) => `${name}: ${after[name]} pages instead of ${pages}`)).toEqual([])
  },
)
