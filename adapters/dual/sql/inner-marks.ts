/** What the inner backend's streams were when they were last seen. One row a stream, by primary key, apart from the rows that appends lock. */
import type { Statement } from '../database/database.js'

export interface InnerMark {
  readonly id: number
  readonly generation: string | null
  readonly high: number
}

export function innerMarks(schema: string): Statement {
  return {
    text: `select s.id, m.generation, coalesce(m.high, 0)::float8 as high
      from ${schema}.streams s left join ${schema}.inner_marks m on m.stream_id = s.id`,
  }
}

/** @param isNew what was seen before does not count any more; otherwise a mark never goes back */
export function markInner(schema: string, mark: InnerMark, isNew: boolean): Statement {
  return {
    text: `insert into ${schema}.inner_marks as m (stream_id, generation, high) values ($1, $2, $3)
      on conflict (stream_id) do update
      set generation = excluded.generation, high = case when $4 then excluded.high else greatest(m.high, excluded.high) end`,
    values: [mark.id, mark.generation, mark.high, isNew],
  }
}
