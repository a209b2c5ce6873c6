/** Leaves the oldest ranges of a stream to whoever leads it, as far as they are ours. Who does that sends none of them any more. */
import type { Statement } from '../database/database.js'

export function disown(schema: string, stream: number, owner: string, nobody: string, limit: number): Statement {
  return {
    text: `update ${schema}.outbox o set owner = $3
      where o.stream_id = $1 and o.owner = $2
        and o.first in (select h.first from ${schema}.outbox h where h.stream_id = $1 order by h.first limit $4)`,
    values: [stream, owner, nobody, limit],
  }
}
