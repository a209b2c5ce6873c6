/** Takes rows out of the ledger by primary key; their ids stay taken. */
import type { Statement } from '../database/database.js'

export function forget(schema: string, stream: number, positions: readonly number[]): Statement {
  return { text: `select ${schema}.forget($1, $2) as gone`, values: [stream, positions] }
}

/** Where their copies lie in the inner backend. */
export function subjectsOf(schema: string, stream: number, positions: readonly number[]): Statement {
  return {
    text: `select distinct subject from ${schema}.ledger where stream_id = $1 and position = any($2)`,
    values: [stream, positions],
  }
}
