/** A dead letter and the settlement of its delivery in one transaction. Locks as append does. */
import type { Statement } from '../database/database.js'
import type { Drafts } from '../publish/drafts.js'

export function bury(
  schema: string,
  owner: string,
  letter: Drafts,
  consumer: number,
  position: number,
  lockMs: number,
): Statement {
  return {
    text: `select ${schema}.bury($1, $2, $3, $4, $5, $6) as answer`,
    values: [owner, letter.rows, letter.payloads, consumer, position, lockMs],
  }
}
