/** Takes a range from an owner whose lease ran out: compare and set, so that one of several takers gets it (PG-L6), and a paused owner loses it. */
import type { Statement } from '../database/database.js'

export function takeRange(schema: string, stream: number, first: string, from: string, to: string): Statement {
  return {
    text: `update ${schema}.outbox o set owner = $4
      where o.stream_id = $1 and o.first = $2 and o.owner = $3
        and not exists (select from ${schema}.relays r where r.owner = o.owner and r.leased_until > clock_timestamp())
      returning o.first`,
    values: [stream, first, from, to],
  }
}
