/**
 * How much room a message takes in PostgreSQL, how much WAL it makes, and whether vacuum keeps up: `npx tsx benchmarks/ledger-size.ts`. It
 * starts a PostgreSQL of its own, with default settings but for `max_wal_size`, and prints tables in Markdown.
 */
import { randomBytes, randomUUID } from 'node:crypto'
import { parseArgs } from 'node:util'
import { Cleanup } from '../adapters/dual/report/cleanup.js'
import { relayed } from '../adapters/dual/sql/relayed.js'
import { systemClock } from '../src/clock.js'
import { silentLogger } from '../src/logger.js'
import { LedgerLab, type Note } from '../test/adapters/dual/fixtures/ledger-lab.js'
import { startPostgres } from '../test/servers/postgres.js'

const OWNER = '11111111-1111-4111-8111-111111111111'
const TRACE = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01'
const CHURNED = ['settled', 'outbox', 'consumers', 'ledger'] as const

const { values: options } = parseArgs({
  options: {
    messages: { type: 'string', default: '20000' },
    group: { type: 'string', default: '100' },
    seconds: { type: 'string', default: '60' },
  },
})
const [messages, group, seconds] = [options.messages, options.group, options.seconds].map(Number) as [
  number,
  number,
  number,
]

const server = await startPostgres({ settings: { max_wal_size: '8GB' } })
try {
  console.log(
    `PostgreSQL ${server.version}, ${messages} messages, group commits of ${group}; a key, one header, an id of 36 characters.\n`,
  )
  await measureSizes()
  await measureChurn()
} finally {
  await server.stop()
}

async function measureSizes(): Promise<void> {
  console.log(
    '| payload | table | primary key | ids | keys | other indexes | all | WAL to accept | WAL to relay and settle |',
  )
  console.log('|--:|--:|--:|--:|--:|--:|--:|--:|--:|')
  for (const bytes of [256, 1024, 16 * 1024]) {
    await using lab = await LedgerLab.open(server.url)
    const consumer = await lab.consumer('billing', 'orders')
    const clean = cleanupOf(lab)
    await lab.sql('checkpoint')
    const accepted = await walOf(lab, async () => {
      for (let done = 0; done < messages; done += group) await lab.publish(...notes(bytes))
    })
    const settled = await walOf(lab, async () => {
      for (let done = 0; done < messages; done += group) await finish(lab, consumer, done + 1)
      await clean.clean()
    })
    const sizes = await sizesOf(lab)
    const other = sizes.all - sizes.table - sizes.ledger_pkey - sizes.ledger_ids - sizes.ledger_keys
    const cells = [sizes.table, sizes.ledger_pkey, sizes.ledger_ids, sizes.ledger_keys, other, sizes.all]
    const each = [...cells, accepted, settled].map((total) => (total / messages).toFixed(0))
    console.log(`| ${bytes} | ${each.join(' | ')} |`)
    await lab.sql('drop schema % cascade')
  }
  console.log('\nBytes for each message.\n')
}

/** Publishes, relays and settles as fast as one client can, and looks at what is churned. */
async function measureChurn(): Promise<void> {
  await using lab = await LedgerLab.open(server.url)
  const consumer = await lab.consumer('billing', 'orders')
  const cleanup = cleanupOf(lab)
  cleanup.start()
  console.log(`| after | messages | ${CHURNED.map((table) => `${table}: KB, dead rows, vacuums`).join(' | ')} |`)
  console.log(`|--:|--:|${CHURNED.map(() => '--:').join('|')}|`)
  const begin = performance.now()
  let [done, shown] = [0, 0]
  while (performance.now() - begin < seconds * 1000) {
    await lab.publish(...notes(256))
    await finish(lab, consumer, done + 1)
    done += group
    const elapsed = (performance.now() - begin) / 1000
    if (elapsed < shown + seconds / 6) continue
    shown = elapsed
    console.log(`| ${elapsed.toFixed(0)} s | ${done} | ${(await churnOf(lab)).join(' | ')} |`)
  }
  await cleanup.stop()
}

function cleanupOf({ database, options: { keepIdsMs, leaseMs } }: LedgerLab): Cleanup {
  return new Cleanup({ database, clock: systemClock, logger: silentLogger, keepIdsMs, leaseMs })
}

/** Payloads that nothing can compress, in random order of keys. */
function notes(bytes: number): Note[] {
  return Array.from({ length: group }, () => ({
    subject: 'orders.42.placed',
    id: randomUUID(),
    key: `customer-${randomBytes(2).readUInt16LE()}`,
    headers: { 'x-trace': TRACE },
    payload: randomBytes(bytes),
  }))
}

/** What relaying and settling a group writes. */
async function finish(lab: LedgerLab, consumer: number, first: number): Promise<void> {
  await lab.database.query('work', relayed(lab.database.schema, OWNER, [1], [first]))
  await lab.settle(consumer, ...Array.from({ length: group }, (_, at) => first + at))
}

async function walOf(lab: LedgerLab, work: () => Promise<void>): Promise<number> {
  const [before] = await lab.sql<{ lsn: string }>('select pg_current_wal_insert_lsn() as lsn')
  await work()
  const [after] = await lab.sql<{ bytes: string }>(
    'select pg_wal_lsn_diff(pg_current_wal_insert_lsn(), $1) as bytes',
    before?.lsn,
  )
  return Number(after?.bytes)
}

async function sizesOf(lab: LedgerLab) {
  const size = (index: string) => `pg_relation_size('%.${index}') as ${index}`
  const [row] = await lab.sql<Record<'table' | 'all' | 'ledger_pkey' | 'ledger_ids' | 'ledger_keys', string>>(
    `select pg_table_size('%.ledger') as table, pg_total_relation_size('%.ledger') as all,
       ${size('ledger_pkey')}, ${size('ledger_ids')}, ${size('ledger_keys')}`,
  )
  const number = (text: string | undefined): number => Number(text)
  return {
    table: number(row?.table),
    all: number(row?.all),
    ledger_pkey: number(row?.ledger_pkey),
    ledger_ids: number(row?.ledger_ids),
    ledger_keys: number(row?.ledger_keys),
  }
}

async function churnOf(lab: LedgerLab): Promise<string[]> {
  const rows = await lab.sql<{ name: string; kb: string; dead: string; vacuums: string }>(
    `select relname as name, pg_total_relation_size(relid) / 1024 as kb, n_dead_tup as dead, autovacuum_count as vacuums
     from pg_stat_user_tables where schemaname = $1`,
    lab.options.schema,
  )
  const byName = new Map(rows.map((row) => [row.name, row]))
  return CHURNED.map((table) => {
    const row = byName.get(table)
    return `${row?.kb}, ${row?.dead}, ${row?.vacuums}`
  })
}
