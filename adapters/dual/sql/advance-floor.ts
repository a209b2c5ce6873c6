/**
 * Moves a consumer's floor up to just before the first message that it has not settled, and drops what `settled` says below it: one step of
 * bounded length, in one transaction of its own.
 *
 * Locks: the consumer's row, against other processes that do the same (they pass it by), in the mode that does not wait for the foreign
 * keys of those who settle. Indexes: the primary keys of ledger (a stretch right after the floor) and of settled (a probe for each row of
 * the stretch, until the first that is missing). Right without a lock on the stream, because rows become visible in the order of their
 * positions (PG-V1): nothing can appear below the newest one that this statement sees. What is settled meanwhile is found the next time.
 */
import type { Statement } from '../database/database.js'

export interface AdvancedFloor {
  /** `bigint` as text (PG-B3). */
  readonly floor: string
  /** The step ended before the work did. */
  readonly has_more: boolean
}

/** No row: another process is at it, or the consumer is gone. */
export function advanceFloor(schema: string, consumer: number, rows: number): Statement {
  return {
    text: `with consumer as (
        select c.id, c.stream_id, c.pattern, c.floor from ${schema}.consumers c where c.id = $1 for no key update skip locked
      ), reach as (
        select greatest(s.high, (select max(l.position) from ${schema}.ledger l where l.stream_id = c.stream_id)) as newest, (
          select l.position from ${schema}.ledger l where l.stream_id = c.stream_id and l.position > c.floor
          order by l.position offset $2 - 1 limit 1
        ) as step_end
        from consumer c join ${schema}.streams s on s.id = c.stream_id
      ), next as (
        select greatest(c.floor, coalesce(unsettled.position - 1, r.step_end, r.newest)) as floor,
          unsettled.position is null and r.step_end is not null as is_cut
        from consumer c cross join reach r left join lateral (
          select l.position from ${schema}.ledger l
          where l.stream_id = c.stream_id and l.position > c.floor and l.position <= coalesce(r.step_end, r.newest) and l.subject ~ c.pattern
            -- "offset 0" keeps the probe a probe: a join would read all that is settled.
            and not exists (select from ${schema}.settled d where d.consumer_id = c.id and d.position = l.position offset 0)
          order by l.position limit 1
        ) unsettled on true
      ), moved as (
        update ${schema}.consumers c set floor = next.floor from next where c.id = $1 and c.floor < next.floor
      ), dropped as (
        -- Scalar subqueries, so that the primary key is asked for a range and for rows, not read as a whole.
        delete from ${schema}.settled d where d.consumer_id = $1 and d.position = any (array(
          select own.position from ${schema}.settled own where own.consumer_id = $1 and own.position <= (select next.floor from next)
          order by own.position limit 2 * $2
        )) returning d.position
      )
      select next.floor, next.is_cut or (select count(*) from dropped) = 2 * $2 as has_more from next`,
    values: [consumer, rows],
  }
}

/** Every consumer of the schema: whoever cleans, cleans for all. */
export function listConsumers(schema: string): Statement {
  return { text: `select id from ${schema}.consumers order by id` }
}
