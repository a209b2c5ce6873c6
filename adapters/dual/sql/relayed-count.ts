/** How many messages of a stream the inner backend must have by now. An index-only scan of the stream, unless it has a limit of age. */
import type { Statement } from '../database/database.js'

export interface RelayedCount {
  readonly messages: number
}

export function relayedCount(schema: string, stream: number, maxAgeMs: number): Statement {
  const isLimited = Number.isFinite(maxAgeMs)
  const age = isLimited ? `and l.time > clock_timestamp() - $2 * interval '1 millisecond'` : ''
  return {
    text: `select greatest(0,
        (select count(*) from ${schema}.ledger l where l.stream_id = $1 ${age})
        - (select coalesce(sum(o.last - o.first + 1), 0) from ${schema}.outbox o where o.stream_id = $1)
      )::float8 as messages`,
    values: [stream, ...(isLimited ? [maxAgeMs] : [])],
  }
}
