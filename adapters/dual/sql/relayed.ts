/** Ends ranges of the outbox that are still this process's, by primary key. */
import type { Statement } from '../database/database.js'

export function relayed(
  schema: string,
  owner: string,
  streams: readonly number[],
  firsts: readonly number[],
): Statement {
  return { text: `select ${schema}.relayed($1, $2, $3)`, values: [owner, streams, firsts] }
}
