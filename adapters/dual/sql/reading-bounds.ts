/** Where a stream ends now, and where it stands at two times. Probes the primary key some thirty times; locks nothing. */
import type { Statement } from '../database/database.js'

export interface ReadingBounds {
  /** `bigint` as text (PG-B3), as the next two. The last position that was given. */
  readonly last: string
  /** The first position of the first time or later, one past the last when there is none; null without a time. */
  readonly from: string | null
  readonly until: string | null
  readonly max_age_ms: string | null
}

/** @param times ms since the epoch; null where there is none */
export function readingBounds(
  schema: string,
  stream: number,
  times: readonly [number | null, number | null],
): Statement {
  const at = (parameter: string): string =>
    `case when ${parameter}::bigint is not null then ${schema}.position_at(s.id, to_timestamp(0) + ${parameter} * interval '1 millisecond') end`
  return {
    text: `select greatest(s.high, (select max(l.position) from ${schema}.ledger l where l.stream_id = s.id)) as last,
        ${at('$2')} as from, ${at('$3')} as until, s.max_age_ms
      from ${schema}.streams s where s.id = $1`,
    values: [stream, ...times.map(wholeMs)],
  }
}

/** As a server can represent it. */
function wholeMs(ms: number | null): number | null {
  return ms === null ? null : Math.min(Math.max(Math.ceil(ms), 0), 8.64e15)
}
