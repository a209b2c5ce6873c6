/** Appends drafts to the ledger: one group commit, or what a transaction published. Takes the lock of each stream until the commit. */
import type { Statement } from '../database/database.js'
import type { Drafts } from '../publish/drafts.js'

/** @param isRepeated looks up fresh ids too, because an attempt before this one may have been committed */
export function append(
  schema: string,
  owner: string,
  drafts: Drafts,
  isRepeated: boolean,
  lockMs: number | null,
): Statement {
  return {
    text: `select ${schema}.append_batch($1, $2, $3, $4, $5) as answer`,
    values: [owner, drafts.rows, drafts.payloads, isRepeated, lockMs],
  }
}
