/** Rows of a stream from one position to another, by primary key. What is over age is left out. */
import type { Statement } from '../database/database.js'
import { ROW } from '../ledger-row.js'

export function ledgerPage(schema: string, stream: number, first: number, last: number, limit: number): Statement {
  return {
    text: `select ${ROW} from ${schema}.ledger l join ${schema}.streams s on s.id = l.stream_id
      where l.stream_id = $1 and l.position between $2 and $3
        and (s.max_age_ms is null or l.time > clock_timestamp() - s.max_age_ms * interval '1 millisecond')
      order by l.position limit $4`,
    values: [stream, first, last, limit],
  }
}
