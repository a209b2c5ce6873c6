/** What a consumer has not settled, in order: what it is owed, and the rows above its floor. Reads primary keys. */
import type { Statement } from '../database/database.js'

export interface Unsettled {
  readonly stream_id: number
  /** `bigint` as text (PG-B3). */
  readonly position: string
}

export function unsettled(schema: string, consumer: string): Statement {
  return {
    text: `select l.stream_id, l.position from ${schema}.consumers c
      join ${schema}.ledger l on l.stream_id = c.stream_id and l.subject ~ c.pattern
      where c.name = $1 and not ${schema}.is_settled(c.id, c.floor, l.position)
        and l.position > least(c.floor, coalesce((select min(position) - 1 from ${schema}.owed where consumer_id = c.id), c.floor))
      order by l.position`,
    values: [consumer],
  }
}
