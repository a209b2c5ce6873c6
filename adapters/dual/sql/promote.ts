/**
 * Appends what is due, stream by stream, found by the index delayed_due. One process at a time, under a lock of its own that is tried and not
 * waited for; a stream that somebody holds is passed by.
 */
import type { Statement } from '../database/database.js'

export interface Promoted {
  readonly moved: number
  /** ms until the next one is due. */
  readonly next: number | null
}

export function promote(schema: string, owner: string): Statement {
  return { text: `select ${schema}.promote($1) as answer`, values: [owner] }
}
