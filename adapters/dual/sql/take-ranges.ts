/** Takes ranges from their owners, alive or not, for who leads the stream: what they end afterwards is not theirs any more (PG-L6). */
import type { Statement } from '../database/database.js'

/** Answers with the ranges that are ours now. */
export function takeRanges(schema: string, stream: number, firsts: readonly string[], owner: string): Statement {
  return {
    text: `update ${schema}.outbox o set owner = $3
      where o.stream_id = $1 and o.first = any ($2::bigint[])
        and exists (select from ${schema}.leads l where l.stream_id = $1 and l.owner = $3 and l.until > clock_timestamp())
      returning o.first`,
    values: [stream, firsts, owner],
  }
}
