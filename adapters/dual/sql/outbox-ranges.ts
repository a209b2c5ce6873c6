/** What is on its way to the inner backend or parked, a page of ranges at a time, by primary keys. */
import type { Statement } from '../database/database.js'

export interface OutboxRange {
  readonly first: number
  readonly last: number
}

export function outboxRanges(schema: string, stream: number, after: number, limit: number): Statement {
  return {
    text: `select o.first::float8 as first, o.last::float8 as last from (
        (select first, last from ${schema}.outbox where stream_id = $1 and first > $2 order by first limit $3)
        union all
        (select position, position from ${schema}.parked where stream_id = $1 and position > $2 order by position limit $3)
      ) o order by o.first limit $3`,
    values: [stream, after, limit],
  }
}
