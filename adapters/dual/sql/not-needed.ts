/** Of some positions, those that a consumer has settled or that are gone. Reads three primary keys, locks nothing. */
import type { Statement } from '../database/database.js'

export interface Position {
  /** `bigint` as text (PG-B3). */
  readonly position: string
}

export function notNeeded(schema: string, consumer: number, positions: readonly number[]): Statement {
  return { text: `select ${schema}.not_needed($1, $2) as position`, values: [consumer, positions] }
}
