/**
 * The cheap comparison of one stream: what the inner backend says of it, against what it said before and what the ledger counts. It finds
 * reasons to compare everything; whether anything is really missing is for `sweep.ts` to say.
 */
import type { Adapter, StreamReport } from '../../../src/adapter.js'
import type { Database } from '../database/database.js'
import type { InnerMark } from '../sql/inner-marks.js'
import { ledgerPositions, type PositionRow } from '../sql/ledger-positions.js'
import { type RelayedCount, relayedCount } from '../sql/relayed-count.js'
import { stampOf } from '../stamp.js'
import type { LedgerStream } from '../streams.js'
import { onTheirWay } from './ledger-walk.js'

export type Suspicion =
  /** There is no such stream. */
  | 'gone'
  /** It was deleted and made again. */
  | 'made-again'
  /** Its last sequence is lower than it was: an older copy was restored, or the end was lost. */
  | 'went-back'
  /** It has fewer messages than the ledger has relayed. */
  | 'fewer'
  /** A row of the ledger is not where its neighbours are. */
  | 'hole'
  /** A message does not come from the ledger. */
  | 'foreign'
  /** It has positions that the ledger never gave, or may have lost: the server of the ledger is not the one that it was (PG-D4). */
  | 'ahead'

/** Recent messages of which some are looked at. */
const RECENT = 10_000
const WINDOW = 64
/** Rows near the ends of a window may lie outside it: several processes relay side by side. */
const MARGIN = 16
const COUNTS = 3

export interface LookParts {
  readonly database: Database
  readonly inner: Adapter
  readonly random: () => number
}

/** What its place tells. */
export function placeSuspicion(mark: InnerMark, report: StreamReport | undefined): Suspicion | undefined {
  if (report === undefined) return 'gone'
  const { generation, lastSequence } = report
  if (mark.generation !== null && generation !== undefined && mark.generation !== generation) return 'made-again'
  return lastSequence < mark.high ? 'went-back' : undefined
}

/** Counts on both sides of a question to the inner backend: what is removed meanwhile must not look lost. */
export async function countSuspicion(parts: LookParts, stream: LedgerStream): Promise<Suspicion | undefined> {
  for (let count = 0; count < COUNTS; count++) {
    const before = await countOf(parts, stream)
    const { connected, streams } = await parts.inner.inspect()
    const report = streams.find(({ name }) => name === stream.definition.name)
    if (!connected || report === undefined) return undefined
    if (report.messages >= Math.min(before, await countOf(parts, stream))) return undefined
  }
  return 'fewer'
}

async function countOf({ database }: LookParts, { id }: LedgerStream): Promise<number> {
  return (await database.query<RelayedCount>('work', relayedCount(database.schema, id)))[0]?.messages ?? 0
}

/** Looks at a few neighbours among the recent messages. */
export async function sampleSuspicion(
  parts: LookParts,
  stream: LedgerStream,
  { firstSequence, lastSequence }: StreamReport,
): Promise<Suspicion | undefined> {
  if (lastSequence === 0) return undefined
  const oldest = Math.max(1, firstSequence, lastSequence - RECENT)
  const newest = Math.max(oldest, lastSequence - WINDOW)
  const from = oldest + Math.floor(parts.random() * (newest - oldest + 1))
  const positions = await positionsIn(parts.inner, stream, from)
  if (positions.includes(0)) return 'foreign'
  positions.sort((a, b) => a - b)
  const [first, last] = [positions[MARGIN], positions.at(-1 - MARGIN)]
  // After a repair, neighbours come from far apart.
  if (first === undefined || last === undefined || first >= last || last - first > 2 * WINDOW) return undefined
  return (await lacks(parts.database, stream, { first, last, positions })) ? 'hole' : undefined
}

/** 0 for a message that is not of the ledger. */
async function positionsIn(inner: Adapter, { definition }: LedgerStream, from: number): Promise<number[]> {
  const { name, subjects } = definition
  const positions: number[] = []
  const query = { stream: name, filters: subjects, from: { sequence: from }, toSequence: from + WINDOW - 1 }
  for await (const { headers } of inner.read(query)) positions.push(stampOf(headers)?.position ?? 0)
  return positions
}

interface Neighbours {
  readonly first: number
  readonly last: number
  readonly positions: readonly number[]
}

async function lacks(database: Database, stream: LedgerStream, { first, last, positions }: Neighbours) {
  const { id, definition } = stream
  const page = { stream: id, maxAgeMs: definition.maxAgeMs, after: first, last, limit: 2 * WINDOW, withKeys: false }
  const rows = await database.query<PositionRow>('work', ledgerPositions(database.schema, page))
  const there = new Set(positions)
  const lacking = rows.filter(({ position }) => !there.has(position))
  if (lacking.length === 0) return false
  const waiting = await onTheirWay(database, stream)
  return lacking.some(({ position }) => !waiting.has(position))
}
