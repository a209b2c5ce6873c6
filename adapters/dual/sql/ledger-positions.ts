/**
 * Positions that readers of a stream may see, a page at a time, by primary key: without a limit of age an index-only scan. What is over age
 * is gone already, though its row may still be there.
 */
import type { Statement } from '../database/database.js'

export interface PositionRow {
  readonly position: number
  /** Only when it was asked for. */
  readonly key?: string | null
}

export interface PositionPage {
  readonly stream: number
  /** Infinity: kept for ever. */
  readonly maxAgeMs: number
  /** Exclusive. */
  readonly after: number
  /** Inclusive. */
  readonly last: number
  readonly limit: number
  readonly withKeys: boolean
}

export function ledgerPositions(schema: string, page: PositionPage): Statement {
  const { stream, maxAgeMs, after, last, limit, withKeys } = page
  const isLimited = Number.isFinite(maxAgeMs)
  return {
    text: `select l.position::float8 as position${withKeys ? ', l.key' : ''} from ${schema}.ledger l
      where l.stream_id = $1 and l.position > $2 and l.position <= $3
        ${isLimited ? `and l.time > clock_timestamp() - $5 * interval '1 millisecond'` : ''}
      order by l.position limit $4`,
    values: [stream, after, last, limit, ...(isLimited ? [maxAgeMs] : [])],
  }
}
