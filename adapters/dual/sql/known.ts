/**
 * What the ledger knows of deliveries that a consumer was brought, each told by the position and the time in its stamp. Reads primary keys,
 * locks nothing.
 */
import type { Statement } from '../database/database.js'

/** Of a timer, and of an `int`: 24 days. Who waits longer is told so again. */
const MAX_WAIT_MS = 2_147_483_647

/** In the order of the deliveries. */
export interface Known {
  /** The row at that position is of another time: the stamp is not the ledger's. */
  readonly is_foreign: boolean
  /** Settled, or gone from the ledger. */
  readonly is_done: boolean
  /** Attempts that failed; null: none. */
  readonly attempt: number | null
  /** Until the next attempt is due, by the clock of the server (PG-L9). */
  readonly wait_ms: number
}

export function known(
  schema: string,
  consumer: number,
  positions: readonly number[],
  timesMs: readonly number[],
): Statement {
  return {
    text: `select l.position is not null and (extract(epoch from l.time) * 1000)::bigint <> u.time as is_foreign,
        l.position is null or ${schema}.is_settled(c.id, c.floor, u.position) as is_done, f.attempt,
        least(${MAX_WAIT_MS}, greatest(0, ceil(extract(epoch from f.due_at - clock_timestamp()) * 1000)))::int as wait_ms
      from unnest($2::bigint[], $3::bigint[]) with ordinality u(position, time, nth)
      join ${schema}.consumers c on c.id = $1
      left join ${schema}.ledger l on l.stream_id = c.stream_id and l.position = u.position
      left join ${schema}.failed f on f.consumer_id = c.id and f.position = u.position
      order by u.nth`,
    values: [consumer, positions, timesMs],
  }
}
