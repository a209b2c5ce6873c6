/**
 * Puts ranges on their way once more, in one statement: they belong to nobody, so that the relay of any living process takes them, also when
 * the one that asked for it is gone. A range that is on its way already stays what it is.
 */
import type { Statement } from '../database/database.js'

export interface Ranges {
  readonly firsts: readonly number[]
  readonly lasts: readonly number[]
}

/** @param round tells these copies from earlier ones in the inner backend's dedup window */
export function sendAgain(schema: string, stream: number, owner: string, round: string, ranges: Ranges): Statement {
  return {
    text: `insert into ${schema}.outbox (stream_id, first, last, owner, round)
      select $1, r.first, r.last, $4, $5 from unnest($2::bigint[], $3::bigint[]) r(first, last) order by r.first
      on conflict do nothing`,
    values: [stream, ranges.firsts, ranges.lasts, owner, round],
  }
}
