/** The streams of a schema, or the one of a name, those that this process did not declare included. A short table. */
import type { Statement } from '../database/database.js'

export interface ListedStream {
  readonly id: number
  readonly name: string
}

/** @param name null: all */
export function listStreams(schema: string, name: string | null): Statement {
  return {
    text: `select id, name from ${schema}.streams where $1::text is null or name = $1 order by id`,
    values: [name],
  }
}
