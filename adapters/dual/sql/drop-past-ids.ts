/** Drops ids of messages that are gone and were stored long ago, oldest first by past_ids_time. Passes by rows that another process drops. */
import type { Statement } from '../database/database.js'

export interface Dropped {
  /** `bigint` as text (PG-B3). */
  readonly dropped: string
}

export function dropPastIds(schema: string, keepMs: number, rows: number): Statement {
  return {
    text: `with old as (
        select p.stream_id, p.dedup_id from ${schema}.past_ids p
        where p.time < now() - $1::bigint * interval '1 millisecond' order by p.time limit $2 for update skip locked
      ), dropped as (
        delete from ${schema}.past_ids p using old where p.stream_id = old.stream_id and p.dedup_id = old.dedup_id returning p.stream_id
      )
      select count(*) as dropped from dropped`,
    values: [keepMs, rows],
  }
}
