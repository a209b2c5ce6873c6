/**
 * Drops what handlers did long ago from the inbox, as far as no redelivery can ask for it: the message lies below its consumer's floor and
 * is not owed. Goes through the index inbox_time from where the last step ended, so that rows that must stay are looked at once a pass.
 * Rows that another process is dropping are passed by.
 */
import type { Statement } from '../database/database.js'

export interface DroppedInbox {
  /** `bigint` as text (PG-B3). Rows looked at. */
  readonly seen: string
  /** Where to go on: the time of the last of them, to the microsecond. */
  readonly last: string | null
}

/** @param after `last` of the step before, `-infinity` for the first */
export function dropInbox(schema: string, keepMs: number, after: string, rows: number): Statement {
  return {
    text: `with old as (
        select i.consumer_id, i.id, i.position, i.processed_at from ${schema}.inbox i
        where i.processed_at > $2::timestamptz and i.processed_at < now() - $1::bigint * interval '1 millisecond'
        order by i.processed_at limit $3 for update skip locked
      ), dropped as (
        delete from ${schema}.inbox i using old join ${schema}.consumers c on c.id = old.consumer_id
        where i.consumer_id = old.consumer_id and i.id = old.id and old.position <= c.floor
          and not exists (select from ${schema}.owed w where w.consumer_id = c.id and w.position = old.position)
      )
      select count(*) as seen, max(old.processed_at)::text as last from old`,
    values: [keepMs, after, rows],
  }
}
