/** What became of a transaction, asked by its number: the only way to know when the answer to COMMIT was lost (PG-U3). */
import type { Statement } from '../database/database.js'

export interface TransactionId {
  /** `xid8` as text; null while nothing was written. */
  readonly xid: string | null
}

/** Of the transaction that it is run in. */
export const transactionId: Statement = { text: 'select pg_current_xact_id_if_assigned()::text as xid' }

export interface TransactionStatus {
  /** Null when it is long ago. */
  readonly status: 'committed' | 'aborted' | 'in progress' | null
}

export function transactionStatus(xid: string): Statement {
  return { text: 'select pg_xact_status($1::xid8) as status', values: [xid] }
}
