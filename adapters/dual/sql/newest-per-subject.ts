/** The newest position of each subject within a bounded stretch of a stream that ends at a position. By primary key; locks nothing. */
import type { Statement } from '../database/database.js'
import { conditionOf, type Selection } from '../read/selection.js'

/** One row at least while there are rows up to the position. Without a match it has no `position`. */
export interface NewestRow {
  readonly subject: string | null
  /** `bigint` as text (PG-B3). */
  readonly position: string | null
  /** The stretch begins there. */
  readonly reached: string
}

const SPAN = 50_000

export function newestPerSubject(schema: string, stream: number, last: number, selection: Selection): Statement {
  const wanted = conditionOf(selection, 3)
  return {
    text: `with stretch as (
        select max(l.position) - $3 + 1 as first from ${schema}.ledger l where l.stream_id = $1 and l.position <= $2
      )
      select stretch.first as reached, newest.* from stretch left join lateral (
        select l.subject, max(l.position) as position from ${schema}.ledger l
        where l.stream_id = $1 and l.position between stretch.first and $2${wanted.text} group by l.subject
      ) newest on true where stretch.first is not null`,
    values: [stream, last, SPAN, ...wanted.values],
  }
}
