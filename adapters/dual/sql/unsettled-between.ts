/**
 * Keyed messages between two positions that a consumer has still to settle, and whether the outbox has them. Reads a stretch of the ledger and
 * probes primary keys; locks nothing.
 */
import type { Statement } from '../database/database.js'
import { type LedgerRow, ROW } from '../ledger-row.js'

export interface UnsettledRow extends LedgerRow {
  /** On its way to the inner backend, or put aside. */
  readonly is_waiting: boolean
}

/** Both ends are exclusive. The payload is left out. */
export function unsettledBetween(
  schema: string,
  consumer: number,
  after: number,
  before: number,
  limit: number,
): Statement {
  return {
    text: `select ${ROW.replace('l.payload', `''::bytea as payload`)}, coalesce(o.last >= l.position, false)
          or exists (select from ${schema}.parked p where p.stream_id = l.stream_id and p.position = l.position) as is_waiting
      from ${schema}.consumers c
      join ${schema}.streams s on s.id = c.stream_id
      join ${schema}.ledger l on l.stream_id = c.stream_id and l.position > $2 and l.position < $3
      left join lateral (
        select o.last from ${schema}.outbox o where o.stream_id = l.stream_id and o.first <= l.position order by o.first desc limit 1
      ) o on true
      where c.id = $1 and l.key is not null and l.subject ~ c.pattern and ${schema}.is_seen(l.time, s.max_age_ms)
        and case when l.position <= c.floor
          then exists (select from ${schema}.owed w where w.consumer_id = c.id and w.position = l.position)
          else not exists (select from ${schema}.settled d where d.consumer_id = c.id and d.position = l.position) end
      order by l.position limit $4`,
    values: [consumer, after, before, limit],
  }
}
