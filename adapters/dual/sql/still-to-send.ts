/** How much of what was put on its way once more is still there. Reads one stream's part of the outbox. */
import type { Statement } from '../database/database.js'

export interface StillToSend {
  readonly ranges: number
}

export function stillToSend(schema: string, stream: number, round: string): Statement {
  return {
    text: `select count(*)::int as ranges from ${schema}.outbox o where o.stream_id = $1 and o.round = $2`,
    values: [stream, round],
  }
}
