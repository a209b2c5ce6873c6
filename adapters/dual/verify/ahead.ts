/**
 * An inner backend that is ahead of the ledger: a standby took over that lacked the newest rows, or a copy of the database was put back, and
 * messages with their positions are in the inner stream still (PG-D4). No message may get such a position again: a consumer that settled the
 * one would be taken to have settled the other. What the ledger lost is found by `sweep.ts` and imported on request.
 */
import type { Adapter } from '../../../src/adapter.js'
import { isBusError } from '../../../src/errors.js'
import type { Logger } from '../../../src/logger.js'
import type { Database } from '../database/database.js'
import { type SkippedTo, skipSeen } from '../sql/skip-seen.js'
import { type SkippedRange, skippedRanges } from '../sql/skipped-ranges.js'
import { stampOf } from '../stamp.js'
import type { LedgerStream } from '../streams.js'

/** The newest messages are not quite in the order of positions: several processes relay side by side. */
const WINDOW = 64

export interface AheadParts {
  readonly database: Database
  readonly inner: Adapter
  readonly logger: Logger
}

/** Looks at the newest messages of the inner stream. @returns whether it has some that the ledger lacks */
export async function isAhead(parts: AheadParts, stream: LedgerStream): Promise<boolean> {
  const positions = await newest(parts.inner, stream)
  const skipped = await skippedOf(parts.database, stream)
  const isSkipped = positions.some((position) => isWithin(skipped, position))
  return (await skip(parts, stream, Math.max(0, ...positions))) || isSkipped
}

/** Gives none up to that position any more. @returns whether the ledger did not know it */
export async function skip({ database, logger }: AheadParts, stream: LedgerStream, seen: number): Promise<boolean> {
  if (seen === 0) return false
  const [row] = await database.query<SkippedTo>('work', skipSeen(database.schema, stream.id, seen))
  const before = row?.before ?? null
  if (before === null) return false
  const fields = { stream: stream.definition.name, ledger: Number(before), inner: seen }
  logger.log('warn', '[dual] the inner backend has messages that the ledger lacks: their positions are skipped', fields)
  return true
}

export function skippedOf(database: Database, { id }: LedgerStream): Promise<readonly SkippedRange[]> {
  return database.query<SkippedRange>('work', skippedRanges(database.schema, id))
}

export function isWithin(ranges: readonly SkippedRange[], position: number): boolean {
  return ranges.some(({ first, last }) => position >= first && position <= last)
}

async function newest(inner: Adapter, { definition }: LedgerStream): Promise<number[]> {
  const { name: stream, subjects: filters } = definition
  const positions: number[] = []
  try {
    let end = 0
    for await (const { sequence } of inner.read({ stream, filters, from: 'last' })) end = sequence
    if (end === 0) return []
    const window = { from: { sequence: Math.max(1, end - WINDOW + 1) }, toSequence: end }
    for await (const { headers } of inner.read({ stream, filters, ...window }))
      positions.push(stampOf(headers)?.position ?? 0)
  } catch (thrown) {
    if (!isBusError(thrown, 'BUS_NOT_FOUND')) throw thrown
  }
  return positions
}
