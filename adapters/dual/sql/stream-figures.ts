/**
 * What every stream of the schema holds, as counted while it grew and shrank: no rows are read, but for what is over age and not yet removed,
 * which is not counted (10,000 of those at most; then cleaning lags behind, and the others are). A probe of the primary key finds the first.
 */
import type { Statement } from '../database/database.js'

/** `bigint` as text (PG-B3). */
export interface StreamFigures {
  readonly name: string
  readonly messages: string
  readonly bytes: string
  /** Null when nothing is there. */
  readonly first: string | null
  readonly last: string
  readonly delayed: string
}

export function streamFigures(schema: string): Statement {
  return {
    text: `select s.name, s.messages - old.messages as messages, s.bytes - old.bytes as bytes, s.high as last,
        (select min(l.position) from ${schema}.ledger l where l.stream_id = s.id and l.position >= old.first) as first,
        (select count(*) from ${schema}.delayed y where y.stream_id = s.id) as delayed
      from ${schema}.streams s cross join lateral ${schema}.over_age(s.id) old`,
  }
}
