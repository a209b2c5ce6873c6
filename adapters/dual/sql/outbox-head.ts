/** The oldest ranges of a stream's outbox, and whether their owners live. Reads the primary key in order; the outbox is short. */
import type { Statement } from '../database/database.js'

export interface Range {
  /** `bigint` as text (PG-B3). */
  readonly first: string
  readonly last: string
  readonly owner: string
  readonly round: string
  /** Its owner's lease has not run out. */
  readonly is_leased: boolean
  /** Messages of the stream are parked. In one look with the ranges: who parks one does it before its range ends. */
  readonly has_parked: boolean
}

export function outboxHead(schema: string, stream: number, limit: number): Statement {
  return {
    text: `select o.first, o.last, o.owner, o.round,
        exists (select from ${schema}.relays r where r.owner = o.owner and r.leased_until > clock_timestamp()) as is_leased,
        exists (select from ${schema}.parked p where p.stream_id = $1) as has_parked
      from ${schema}.outbox o where o.stream_id = $1 order by o.first limit $2`,
    values: [stream, limit],
  }
}
