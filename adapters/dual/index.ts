/** `busbar/dual`: every message in PostgreSQL first, and in another backend. What that backend loses, the ledger finds and repairs. */
import type { Adapter } from '../../src/adapter.js'
import { DualAdapter } from './adapter.js'
import { Database } from './database/database.js'
import { type MigrationReport, migrate } from './database/migrate.js'
import { type DualOptions, resolveDual } from './options.js'

export type { DualOptions, MigrationReport }

/** An adapter for `createBus({ adapter: dual({ inner: jetstream({ … }), connection: 'postgres://…' }) })`. */
export function dual(options: DualOptions): Adapter {
  return new DualAdapter(options)
}

/** Brings the schema up to date and leaves. Throws `BUS_CONFIG`, `BUS_AUTH`, `BUS_UNAVAILABLE`. */
export async function migrateLedger(options: DualOptions): Promise<MigrationReport> {
  const database = new Database(resolveDual(options))
  try {
    return await migrate(database, true)
  } finally {
    await database.close()
  }
}
