/** Whether anything of a stream is on its way. One look at the primary key. */
import type { Statement } from '../database/database.js'

export interface AnyRange {
  readonly any: boolean
}

export function anyRange(schema: string, stream: number): Statement {
  return { text: `select exists (select from ${schema}.outbox where stream_id = $1) as any`, values: [stream] }
}
