/** Keeps messages for later. Takes the lock of each stream, so that an id is taken once among those that are there and those that will be. */
import type { Statement } from '../database/database.js'
import type { Drafts } from '../publish/drafts.js'

/** @param delaysMs one for each draft */
export function postpone(schema: string, drafts: Drafts, delaysMs: readonly number[], lockMs: number): Statement {
  return {
    text: `select ${schema}.postpone_batch($1, $2, $3, $4) as answer`,
    values: [drafts.rows, drafts.payloads, delaysMs, lockMs],
  }
}
