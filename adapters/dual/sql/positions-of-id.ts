/** Where messages of an id are, in every stream or in one: by the index ledger_ids, and by ledger_other_ids for what that does not hold. */
import type { Statement } from '../database/database.js'

export interface PlaceOfId {
  readonly stream_id: number
  /** `bigint` as text (PG-B3), in order. */
  readonly positions: readonly string[]
}

export function positionsOfId(schema: string, id: string, streams: readonly number[]): Statement {
  return {
    text: `select l.stream_id, array_agg(l.position order by l.position) as positions from (
        select stream_id, position from ${schema}.ledger
        where stream_id = any ($2) and coalesce(dedup_id, id) = $1 and deduped and dedup_id is null
        union all
        select stream_id, position from ${schema}.ledger where stream_id = any ($2) and id = $1 and (dedup_id is not null or not deduped)
      ) l group by l.stream_id`,
    values: [id, streams],
  }
}
