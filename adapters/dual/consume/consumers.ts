/**
 * Durable consumers in the ledger: created when missing, refused when one of that name is defined otherwise, and where each begins. The
 * ledger decides where; the inner backend's consumer begins somewhat earlier, and what it brings too much is passed over.
 */
import type { PoolClient } from 'pg'
import { BusError } from '../../../src/errors.js'
import { overlap } from '../../../src/subject.js'
import { difference, type ResolvedConsumer, type ResolvedStart } from '../../../src/topology.js'
import { BEGIN, type Database, type Statement } from '../database/database.js'
import { ledgerError } from '../database/pg-failure.js'
import type { LedgerRow } from '../ledger-row.js'
import * as sql from '../sql/consumers.js'
import type { Position } from '../sql/not-needed.js'
import type { LedgerStream } from '../streams.js'
import { patternOf } from '../subject-pattern.js'

/** How much the clocks of PostgreSQL and of the inner backend may differ (PG-L9). */
const CLOCK_SKEW_MS = 60_000

export interface Standing {
  readonly id: number
  /** Where the inner backend's consumer begins. */
  readonly innerFrom: ResolvedStart
  /** Everything up to here is settled unless it is owed. */
  readonly floor: number
  readonly owed: ReadonlySet<number>
  /** Nothing above this was settled when it was asked. */
  readonly highest: number
}

/** Finds or creates it. Throws `BUS_CONFLICT`. */
export async function ensureConsumer(
  database: Database,
  stream: LedgerStream,
  wanted: ResolvedConsumer,
): Promise<Standing> {
  const what = `consumer ${wanted.name} of stream ${wanted.stream}`
  const client = await database.connect('work').catch((thrown: unknown) => {
    throw ledgerError(what, thrown)
  })
  try {
    await client.query(BEGIN)
    await ask(client, sql.lockStream(database.schema, stream.id))
    const standing =
      (await find(client, database.schema, wanted)) ?? (await create(client, database.schema, stream, wanted))
    await client.query('commit')
    client.release()
    return standing
  } catch (thrown) {
    client.release(true)
    throw ledgerError(what, thrown)
  }
}

async function find(client: PoolClient, schema: string, wanted: ResolvedConsumer): Promise<Standing | undefined> {
  const [row] = await ask<sql.ConsumerRow>(client, sql.findConsumer(schema, wanted.name))
  if (row === undefined) return undefined
  const differs = difference(wanted, row.definition)
  if (differs !== undefined)
    throw conflict(`consumer ${wanted.name} of stream ${wanted.stream} exists with another definition: ${differs}`)
  const owed = await ask<Position>(client, sql.owedTo(schema, row.id))
  return {
    id: row.id,
    innerFrom: row.inner_from as ResolvedStart,
    floor: Number(row.floor),
    owed: new Set(owed.map(({ position }) => Number(position))),
    highest: Number(row.highest ?? 0),
  }
}

async function create(
  client: PoolClient,
  schema: string,
  stream: LedgerStream,
  wanted: ResolvedConsumer,
): Promise<Standing> {
  if (stream.definition.retention === 'workqueue') await assertAlone(client, schema, stream, wanted)
  const pattern = patternOf(wanted.filters)
  const { floor, owed, innerFrom } = await beginning(client, schema, stream, wanted.from, pattern)
  const added = await ask<{ id: number }>(
    client,
    sql.addConsumer(schema, {
      name: wanted.name,
      stream: stream.id,
      definition: JSON.stringify(wanted),
      pattern,
      floor,
      innerFrom: JSON.stringify(innerFrom),
    }),
  )
  const id = added[0]?.id ?? 0
  if (owed.length > 0) await ask(client, sql.owe(schema, id, owed))
  return { id, innerFrom, floor, owed: new Set(owed), highest: floor }
}

interface Beginning {
  readonly floor: number
  readonly owed: readonly number[]
  readonly innerFrom: ResolvedStart
}

async function beginning(
  client: PoolClient,
  schema: string,
  { id }: LedgerStream,
  from: ResolvedStart,
  pattern: string,
): Promise<Beginning> {
  if (from === 'all') return { floor: 0, owed: [], innerFrom: 'all' }
  const [end] = await ask<sql.EndOfStream>(client, sql.endOfStream(schema, id))
  const [last, now] = [Number(end?.position ?? 0), Number(end?.time_ms ?? 0)]
  if (from === 'new') return { floor: last, owed: [], innerFrom: since(now) }
  if (from === 'last-per-subject') {
    const rows = await ask<{ position: string; time_ms: string }>(client, sql.lastOfSubjects(schema, id, pattern))
    const oldest = Math.min(now, ...rows.map((row) => Number(row.time_ms)))
    return { floor: last, owed: rows.map((row) => Number(row.position)), innerFrom: since(oldest) }
  }
  const where = from === 'last' ? from : 'sequence' in from ? { position: from.sequence } : from
  const [row] = await ask<LedgerRow>(client, sql.firstRow(schema, id, pattern, where))
  const asked = typeof from === 'object' && 'sequence' in from ? from.sequence - 1 : last
  if (row === undefined) return { floor: Math.max(last, asked), owed: [], innerFrom: since(now) }
  return { floor: Number(row.position) - 1, owed: [], innerFrom: since(Number(row.time_ms)) }
}

function since(timeMs: number): ResolvedStart {
  return { timeMs: Math.max(0, timeMs - CLOCK_SKEW_MS) }
}

/** In a work queue every message has one consumer, so no two may take the same subject. */
async function assertAlone(
  client: PoolClient,
  schema: string,
  stream: LedgerStream,
  wanted: ResolvedConsumer,
): Promise<void> {
  const others = await ask<{ definition: ResolvedConsumer }>(client, sql.consumersOf(schema, stream.id))
  for (const { definition: other } of others) {
    const shared = wanted.filters.find((mine) => other.filters.some((theirs) => overlap(mine, theirs)))
    if (shared === undefined) continue
    throw conflict(
      `consumer ${wanted.name}: ${shared} is taken by consumer ${other.name}, and stream ${wanted.stream} is a work queue. Narrow one filter`,
    )
  }
}

async function ask<Row extends object>(client: PoolClient, { text, values = [] }: Statement): Promise<Row[]> {
  return (await client.query<Row>(text, [...values])).rows
}

function conflict(problem: string): BusError {
  return new BusError('BUS_CONFLICT', `[dual] ${problem}`)
}
