/** Positions up to this one were given to messages that the ledger lost: no other message may ever get them. */
import type { Statement } from '../database/database.js'

export function raiseHigh(schema: string, stream: number, position: number): Statement {
  return { text: `update ${schema}.streams set high = $2 where id = $1 and high < $2`, values: [stream, position] }
}
