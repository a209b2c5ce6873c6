/**
 * Where a relay may have to look: streams whose oldest range belongs to nobody alive, and those whose oldest is its own. What lies behind
 * the oldest waits for it. Also streams with a parked message whose turn it is. One probe of the outbox's primary key for each stream, however much is parked there (PG-O5).
 */
import type { Statement } from '../database/database.js'

export interface OldestRange {
  readonly stream_id: number
  /** `bigint` as text (PG-B3). */
  readonly first: string
  readonly is_ours: boolean
}

export function leftBehind(schema: string, owner: string): Statement {
  return {
    text: `select o.stream_id, o.first, o.owner = $1 as is_ours
      from ${schema}.streams s cross join lateral (
        select o.stream_id, o.first, o.owner from ${schema}.outbox o where o.stream_id = s.id order by o.first limit 1
      ) o
      where o.owner = $1
        or not exists (select from ${schema}.relays r where r.owner = o.owner and r.leased_until > clock_timestamp())
      union all
      select s.id, 0, false from ${schema}.streams s
      where exists (select from ${schema}.parked p where p.stream_id = s.id and p.retry_at <= clock_timestamp())`,
    values: [owner],
  }
}
