/**
 * Somebody has a position that this ledger may never have given: nobody is given it, or one below it, any more (PG-D4). Takes the stream's
 * lock, so that what is appended at the same time is seen.
 */
import type { Statement } from '../database/database.js'

export interface SkippedTo {
  /** Where the ledger stood; `bigint` as text (PG-B3). Null: it knows that position, and nothing was changed. */
  readonly before: string | null
}

export function skipSeen(schema: string, stream: number, position: number): Statement {
  return { text: `select ${schema}.skip_seen($1, $2) as before`, values: [stream, position] }
}
