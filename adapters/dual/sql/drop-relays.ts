/** Drops relays whose lease ran out long ago and that own nothing. Both tables are short; one that comes back writes its row anew. */
import type { Statement } from '../database/database.js'

export function dropRelays(schema: string, agoMs: number): Statement {
  return {
    text: `delete from ${schema}.relays r where r.leased_until < clock_timestamp() - $1::bigint * interval '1 millisecond'
      and not exists (select from ${schema}.outbox o where o.owner = r.owner)`,
    values: [agoMs],
  }
}
