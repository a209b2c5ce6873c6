/** What the inner backend's streams were when they were last seen. One row a stream, by primary key. */
import type { Statement } from '../database/database.js'

export interface InnerMark {
  readonly id: number
  readonly generation: string | null
  readonly high: number
}

export function innerMarks(schema: string): Statement {
  return { text: `select id, inner_generation as generation, inner_high::float8 as high from ${schema}.streams` }
}

/** @param isNew what was seen before does not count any more; otherwise a mark never goes back */
export function markInner(schema: string, mark: InnerMark, isNew: boolean): Statement {
  return {
    text: `update ${schema}.streams set inner_generation = $2, inner_high = case when $4 then $3 else greatest(inner_high, $3) end
      where id = $1`,
    values: [mark.id, mark.generation, mark.high, isNew],
  }
}
