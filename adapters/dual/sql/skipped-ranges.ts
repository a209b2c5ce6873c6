/** Positions that were passed over: what the inner backend has of them is not in the ledger. A row for each restart of the server, at most. */
import type { Statement } from '../database/database.js'

export interface SkippedRange {
  readonly first: number
  readonly last: number
}

export function skippedRanges(schema: string, stream: number): Statement {
  return {
    text: `select k.first::float8 as first, k.last::float8 as last from ${schema}.skipped k where k.stream_id = $1 order by k.first`,
    values: [stream],
  }
}
