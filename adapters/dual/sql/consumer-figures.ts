/**
 * What each consumer of the schema still has to settle, exactly: above its floor the ledger without what is settled, and what is owed. For a
 * consumer of every subject in a stream without an age limit two primary keys tell; the others read the rows above their floor.
 */
import type { Statement } from '../database/database.js'

export interface ConsumerFigures {
  readonly name: string
  readonly stream: string
  /** `bigint` as text (PG-B3). */
  readonly unsettled: string
}

export function consumerFigures(schema: string): Statement {
  return { text: `select consumer as name, stream, unsettled from ${schema}.consumer_lag order by consumer` }
}
