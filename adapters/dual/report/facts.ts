/** The facts about a server that the ledger's promises rest on (PG-D1 to PG-D6), and what a strict bus refuses. */
import { BusError } from '../../../src/errors.js'
import type { Database } from '../database/database.js'
import { type ServerFactsRow, serverFacts } from '../sql/server-facts.js'

export interface LedgerFacts {
  /** Such as `15.18`. */
  readonly version: string
  readonly fsync: string
  readonly fullPageWrites: string
  /** The default of connections; publishing and settling raise `off` and `local` to `on` for their own commits. */
  readonly synchronousCommit: string
  /** `''` when no commit waits for a standby. */
  readonly synchronousStandbyNames: string
  readonly isInRecovery: boolean
  readonly isReadOnly: boolean
  /** Tables of the ledger that a crash empties. */
  readonly unlogged: readonly string[]
}

/** Rejects with `QueryFailure`. */
export async function observeFacts(database: Database): Promise<LedgerFacts> {
  const [row] = await database.query<ServerFactsRow>('work', serverFacts(database.schema))
  return {
    version: row?.version ?? 'unknown',
    fsync: row?.fsync ?? 'unknown',
    fullPageWrites: row?.full_page_writes ?? 'unknown',
    synchronousCommit: row?.synchronous_commit ?? 'unknown',
    synchronousStandbyNames: row?.synchronous_standby_names ?? '',
    isInRecovery: row?.is_in_recovery ?? false,
    isReadOnly: row?.is_read_only ?? false,
    unlogged: row?.unlogged ?? [],
  }
}

/** What keeps "accepted" from being durable on this server; empty when nothing does. */
export function weaknesses(facts: LedgerFacts): readonly string[] {
  const { fsync, fullPageWrites, synchronousCommit, synchronousStandbyNames, unlogged } = facts
  const isLocal = synchronousCommit === 'local' && synchronousStandbyNames !== ''
  return [
    ...(fsync === 'on' ? [] : [`fsync is ${fsync}`]),
    ...(fullPageWrites === 'on' ? [] : [`full_page_writes is ${fullPageWrites}`]),
    ...(synchronousCommit === 'off' || isLocal ? [`synchronous_commit is ${synchronousCommit}`] : []),
    ...unlogged.map((table) => `table ${table} is unlogged`),
  ]
}

/** For a strict bus. Throws `BUS_CONFIG`, naming each setting. */
export function assertDurable(facts: LedgerFacts): void {
  const found = weaknesses(facts)
  if (found.length === 0) return
  throw new BusError(
    'BUS_CONFIG',
    `[dual] PostgreSQL may lose what it accepted: ${found.join(', ')}. Set it as docs/postgresql.md says, or do without strict`,
  )
}

/** What a person should know of the server's state, for `health()` (PG-D6). */
export function notesOn({ isInRecovery, isReadOnly }: LedgerFacts): readonly string[] {
  if (isInRecovery) return ['PostgreSQL is a standby: nothing can be accepted. Connect to the primary']
  return isReadOnly
    ? ['PostgreSQL is read-only: nothing can be accepted. Set default_transaction_read_only to off']
    : []
}
