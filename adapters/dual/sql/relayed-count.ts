/**
 * How many messages of a stream the inner backend must have by now, as counted by the ledger. When much is over age and not yet removed, it
 * says none, which is true of any number.
 */
import type { Statement } from '../database/database.js'

export interface RelayedCount {
  readonly messages: number
}

export function relayedCount(schema: string, stream: number): Statement {
  return {
    text: `select case when old.messages < 10000 then greatest(0, s.messages - old.messages
          - (select coalesce(sum(o.last - o.first + 1), 0) from ${schema}.outbox o where o.stream_id = s.id)
          - (select count(*) from ${schema}.parked p where p.stream_id = s.id)) else 0 end::float8 as messages
      from ${schema}.streams s cross join lateral ${schema}.over_age(s.id) old where s.id = $1`,
    values: [stream],
  }
}
