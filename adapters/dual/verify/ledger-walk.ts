/** The ledger's side of a comparison: its rows in pages, and what is on its way. Nothing is held open between two pages. */
import type { Database } from '../database/database.js'
import { type EndOfStream, endOfStream } from '../sql/consumers.js'
import { ledgerPositions, type PositionRow } from '../sql/ledger-positions.js'
import { type OutboxRange, outboxRanges } from '../sql/outbox-ranges.js'
import type { LedgerStream } from '../streams.js'
import { assertOpen } from './inner-copies.js'
import { PositionSet } from './position-set.js'

const ROWS = 20_000
const RANGES = 5000

export interface Stretch {
  /** Exclusive. */
  readonly after: number
  /** Inclusive. */
  readonly last: number
  readonly withKeys?: boolean
}

/** What readers may see, in order. */
export async function* ledgerRows(
  { database, closing }: { readonly database: Database; readonly closing: AbortSignal },
  { id, definition }: LedgerStream,
  { after, last, withKeys = false }: Stretch,
): AsyncGenerator<PositionRow, void, undefined> {
  const page = { stream: id, maxAgeMs: definition.maxAgeMs, last, limit: ROWS, withKeys }
  for (let from = after; ; ) {
    const rows = await database.query<PositionRow>('work', ledgerPositions(database.schema, { ...page, after: from }))
    yield* rows
    assertOpen(closing)
    from = rows.at(-1)?.position ?? last
    if (rows.length < ROWS) return
  }
}

export interface StreamEnd {
  /** The last position that was given. */
  readonly last: number
  readonly messages: number
}

export async function endOf(database: Database, stream: LedgerStream): Promise<StreamEnd> {
  const [row] = await database.query<EndOfStream>('work', endOfStream(database.schema, stream.id))
  return { last: Number(row?.position ?? 0), messages: Number(row?.messages ?? 0) }
}

/** Positions on their way: they are not missing, whether the inner backend has them or not. */
export async function onTheirWay(database: Database, stream: LedgerStream): Promise<PositionSet> {
  const positions = new PositionSet()
  for (let after = 0; ; ) {
    const ranges = await database.query<OutboxRange>('work', outboxRanges(database.schema, stream.id, after, RANGES))
    for (const range of ranges) positions.addRange(range)
    after = ranges.at(-1)?.first ?? after
    if (ranges.length < RANGES) return positions
  }
}
