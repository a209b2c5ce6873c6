/** Extends the lease of a relay by the clock of the server (PG-L9). One row of its own: no waiting. */
import type { Statement } from '../database/database.js'

export function heartbeat(schema: string, owner: string, leaseMs: number): Statement {
  return {
    text: `insert into ${schema}.relays (owner, leased_until) values ($1, clock_timestamp() + $2 * interval '1 millisecond')
      on conflict (owner) do update set leased_until = excluded.leased_until`,
    values: [owner, leaseMs],
  }
}

/** What this process leaves behind belongs to whoever comes first. */
export function leave(schema: string, owner: string): Statement {
  return {
    text: `with led as (delete from ${schema}.leads where owner = $1) delete from ${schema}.relays where owner = $1`,
    values: [owner],
  }
}
