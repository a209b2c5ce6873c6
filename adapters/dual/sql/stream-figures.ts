/**
 * What every stream of the schema holds, exactly. Streams with limits are counted as they grow and shrink; the others are counted here, which
 * reads their rows. What is over age and not yet removed is not counted.
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
    text: `select s.name, kept.messages, kept.bytes,
        (select min(l.position) from ${schema}.ledger l where l.stream_id = s.id and l.position >= seen.first) as first,
        greatest(s.high, (select max(l.position) from ${schema}.ledger l where l.stream_id = s.id)) as last,
        (select count(*) from ${schema}.delayed y where y.stream_id = s.id) as delayed
      from ${schema}.streams s
      cross join lateral (
        select case when s.max_age_ms is null then 0 else ${schema}.position_at(
          s.id, statement_timestamp() - s.max_age_ms * interval '1 millisecond' + interval '1 microsecond'
        ) end as first offset 0
      ) seen
      cross join lateral (
        select s.messages - count(*) as messages, s.bytes - coalesce(sum(l.bytes), 0) as bytes from ${schema}.ledger l
        where coalesce(s.max_messages, s.max_bytes) is not null and l.stream_id = s.id and l.position < seen.first
        having coalesce(s.max_messages, s.max_bytes) is not null
        union all
        select count(*), coalesce(sum(l.bytes), 0) from ${schema}.ledger l
        where coalesce(s.max_messages, s.max_bytes) is null and l.stream_id = s.id and l.position >= seen.first
        having coalesce(s.max_messages, s.max_bytes) is null
      ) kept`,
  }
}
