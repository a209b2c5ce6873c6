/** Appends what is due, found by the index delayed_due; skips rows that another process is moving. */
import type { Statement } from '../database/database.js'

export interface Promoted {
  readonly moved: number
  /** ms until the next one is due. */
  readonly next: number | null
}

export function promote(schema: string, owner: string): Statement {
  return { text: `select ${schema}.promote($1) as answer`, values: [owner] }
}
