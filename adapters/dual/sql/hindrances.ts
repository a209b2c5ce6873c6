/**
 * What keeps the server from reusing the room of rows that are gone (PG-R5): old transactions, prepared ones included, and slots that nobody
 * reads. Of other roles' transactions only members of pg_read_all_stats (or pg_monitor) see the age.
 */
import type { Statement } from '../database/database.js'

export interface Hindrance {
  readonly kind: 'transaction' | 'prepared' | 'slot'
  /** Process id, name of the prepared transaction or of the slot. */
  readonly name: string
  /** For how long; null when that is not known. */
  readonly seconds: string | null
}

/** @param olderMs transactions below that age are none */
export function hindrances(olderMs: number): Statement {
  return {
    text: `select * from (
        select 'transaction' as kind, a.pid::text as name, extract(epoch from clock_timestamp() - a.xact_start)::bigint as seconds
        from pg_stat_activity a where a.backend_type = 'client backend' and a.xact_start is not null
        union all
        select 'prepared', p.gid, extract(epoch from clock_timestamp() - p.prepared)::bigint from pg_prepared_xacts p
      ) running where seconds * 1000 >= $1::bigint
      union all
      select 'slot', r.slot_name::text, null from pg_replication_slots r where not r.active
      order by 1, 2`,
    values: [olderMs],
  }
}
