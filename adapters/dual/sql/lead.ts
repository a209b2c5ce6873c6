/** Takes or keeps the lead of a stream by the clock of the server (PG-L9), and gives it up. One row a stream; never waits for a message. */
import type { Statement } from '../database/database.js'

/** Answers with a row when the lead is ours. */
export function lead(schema: string, stream: number, owner: string, ms: number): Statement {
  return {
    text: `insert into ${schema}.leads as l (stream_id, owner, until) values ($1, $2, clock_timestamp() + $3 * interval '1 millisecond')
      on conflict (stream_id) do update set owner = excluded.owner, until = excluded.until
        where l.owner = excluded.owner or l.until < clock_timestamp()
      returning l.stream_id`,
    values: [stream, owner, ms],
  }
}

export function giveUpLead(schema: string, stream: number, owner: string): Statement {
  return { text: `delete from ${schema}.leads where stream_id = $1 and owner = $2`, values: [stream, owner] }
}
