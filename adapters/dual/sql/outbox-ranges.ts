/** What is on its way to the inner backend, a page of ranges at a time, by primary key. */
import type { Statement } from '../database/database.js'

export interface OutboxRange {
  readonly first: number
  readonly last: number
}

export function outboxRanges(schema: string, stream: number, after: number, limit: number): Statement {
  return {
    text: `select o.first::float8 as first, o.last::float8 as last from ${schema}.outbox o
      where o.stream_id = $1 and o.first > $2 order by o.first limit $3`,
    values: [stream, after, limit],
  }
}
