/**
 * What each consumer of the schema still has to settle: above its floor the ledger without what is settled, and what is owed. For a consumer of
 * every subject in a stream without an age limit two primary keys tell; the others read rows. Exact up to 100,000 rows above the floor; of a
 * consumer that is further behind, what lies beyond them is estimated from them, so that asking never takes longer than a statement may.
 */
import type { Statement } from '../database/database.js'

export interface ConsumerFigures {
  readonly name: string
  readonly stream: string
  /** `bigint` as text (PG-B3). */
  readonly unsettled: string
}

const ROWS = 100_000
const ANY_SUBJECT = "c.pattern = '^(?:.+)$' and s.max_age_ms is null"

/** @param rows that are counted at most, for each consumer */
export function consumerFigures(schema: string, rows = ROWS): Statement {
  const unsettled = `l.stream_id = c.stream_id and l.position > c.floor and l.position <= reach.position
    and not exists (select from ${schema}.settled d where d.consumer_id = c.id and d.position = l.position)`
  const skipped = (first: string, last: string): string => `(
    select coalesce(sum(least(k.last, ${last}) - greatest(k.first, ${first} + 1) + 1), 0) from ${schema}.skipped k
    where k.stream_id = c.stream_id and k.first <= ${last} and k.last > ${first})`
  return {
    text: `select c.name, s.name as stream, owed.messages + case when reach.position >= s.high then counted.messages else least(
        s.messages, round(counted.messages * (1 + (s.high - reach.position - ${skipped('reach.position', 's.high')})
          / greatest(1, reach.position - c.floor - ${skipped('c.floor', 'reach.position')})::numeric))
      ) end::bigint as unsettled
      from ${schema}.consumers c join ${schema}.streams s on s.id = c.stream_id
      cross join lateral (select coalesce(case when s.high - c.floor > ${rows} then (
        select l.position from ${schema}.ledger l where l.stream_id = c.stream_id and l.position > c.floor
        order by l.position offset ${rows - 1} limit 1
      ) end, s.high) as position offset 0) reach
      cross join lateral (
        select count(*) as messages from (
          select from ${schema}.ledger l where ${ANY_SUBJECT} and ${unsettled}
          union all
          select from ${schema}.ledger l
          where not (${ANY_SUBJECT}) and ${unsettled} and l.subject ~ c.pattern and ${schema}.is_seen(l.time, s.max_age_ms)
        ) above
      ) counted
      cross join lateral (
        select count(*) as messages from ${schema}.owed o join ${schema}.ledger l on l.stream_id = c.stream_id and l.position = o.position
        where o.consumer_id = c.id and o.position <= c.floor and ${schema}.is_seen(l.time, s.max_age_ms)
      ) owed
      order by c.name`,
  }
}
