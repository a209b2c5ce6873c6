/**
 * Removes the oldest messages of a stream that are over its age; their ids stay taken (PG-R2). Locks the stream's row first, as trimming does,
 * so that the two cannot wait for each other; passes it by when somebody else has it. Looks at the first rows of the primary key only.
 */
import type { Statement } from '../database/database.js'

export interface Forgotten {
  /** `bigint` as text (PG-B3). */
  readonly forgotten: string
}

/** No row: somebody else is at it, or the stream has no age limit. */
export function forgetAged(schema: string, stream: number, rows: number): Statement {
  return {
    text: `with aging as (
        select s.id, clock_timestamp() - s.max_age_ms * interval '1 millisecond' as oldest from ${schema}.streams s
        where s.id = $1 and s.max_age_ms is not null for no key update skip locked
      )
      select ${schema}.forget(s.id, array(
        select first.position from (
          select l.position, l.time from ${schema}.ledger l where l.stream_id = s.id order by l.position limit $2
        ) first where first.time <= s.oldest
      )) as forgotten from aging s`,
    values: [stream, rows],
  }
}
