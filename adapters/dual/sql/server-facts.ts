/** What the server says of itself, as far as a promise rests on it. Settings are those of a connection of this role to this database. */
import type { Statement } from '../database/database.js'

export interface ServerFactsRow {
  readonly version: string
  readonly fsync: string
  readonly full_page_writes: string
  readonly synchronous_commit: string
  readonly synchronous_standby_names: string
  readonly is_in_recovery: boolean
  readonly is_read_only: boolean
  /** Tables of the schema that a crash empties (PG-D5). */
  readonly unlogged: string[]
}

/** @param schema as in statements, quoted */
export function serverFacts(schema: string): Statement {
  return {
    text: `select split_part(current_setting('server_version'), ' ', 1) as version, current_setting('fsync') as fsync,
        current_setting('full_page_writes') as full_page_writes, current_setting('synchronous_commit') as synchronous_commit,
        current_setting('synchronous_standby_names') as synchronous_standby_names, pg_is_in_recovery() as is_in_recovery,
        current_setting('transaction_read_only')::boolean as is_read_only, array(
          select c.relname::text from pg_class c join pg_namespace n on n.oid = c.relnamespace
          where n.nspname = trim('"' from $1) and c.relkind = 'r' and c.relpersistence <> 'p'
          order by c.relname
        ) as unlogged`,
    values: [schema],
  }
}
