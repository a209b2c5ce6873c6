/**
 * What a backend with a ledger can do beyond the port: transactions of the application's own, comparing and mending, questions about the
 * past. `Adapter.ledger` is undefined for every other backend.
 */
import type { Delivery, PublishOutcome } from './adapter.js'
import type { Outgoing, StoredMessage } from './message.js'

/** Rows as the database's client returns them. */
export interface QueryResult<Row> {
  readonly rows: Row[]
  readonly rowCount: number | null
}

/** A transaction of the ledger's database. It begins with its first statement. */
export interface Work {
  /** Whether a statement was run or a message published: otherwise there is nothing to commit. */
  readonly isUsed: boolean
  /** An earlier transaction settled its deliveries: every statement was refused, and they are to be acknowledged. */
  readonly isSettledBefore: boolean
  /** The database's own client, inside the transaction; it belongs to the work and must not be released. */
  client(): Promise<unknown>
  query<Row>(text: string, values?: readonly unknown[]): Promise<QueryResult<Row>>
  /** Accepted when the work commits. */
  publish(message: Outgoing): void
  /**
   * Settles the deliveries it was begun for, stores what was published, commits. Rejects when it did not, or when nobody knows.
   * @param failed of the deliveries: not to be settled
   */
  commit(failed?: readonly Delivery[]): Promise<void>
  /** Never rejects; nothing happens once `commit()` was called. */
  rollback(): Promise<void>
}

export interface VerifyReport {
  readonly stream: string
  /** Messages that the ledger keeps for readers. */
  readonly ledger: number
  /** Messages of the ledger that the inner backend has. */
  readonly inner: number
  /** On their way: accepted, and not relayed yet. */
  readonly waiting: number
  /** In the ledger, neither on their way nor in the inner backend. */
  readonly missing: number
  /** Positions of up to 20 of them. */
  readonly missingSample: readonly number[]
  /** In the inner backend more than once. */
  readonly repeated: number
  /** In the inner backend, and not in the ledger: somebody else published them, or the ledger lost them (PG-D4). */
  readonly foreign: number
  /** Neither missing nor foreign. */
  readonly isSame: boolean
}

export interface RepairOptions {
  /** Only tells what it would do. Default false. */
  readonly dryRun?: boolean
  /** Takes foreign messages into the ledger, after everything that is there. Default false. */
  readonly importForeign?: boolean
}

export interface RepairReport extends VerifyReport {
  /** Messages sent to the inner backend again: the missing, and those of their keys that came after them. 0 with `dryRun`. */
  readonly republished: number
  readonly imported: number
  readonly tookMs: number
}

export interface LedgerQuery {
  readonly stream?: string
  /** Patterns; a message that matches any of them is found. Empty: all. */
  readonly filters: readonly string[]
  readonly key?: string
  readonly id?: string
  /** ms since the epoch, inclusive. */
  readonly fromMs?: number
  readonly toMs?: number
  readonly order: 'oldest-first' | 'newest-first'
  readonly limit: number
}

export interface Ledger {
  /**
   * @param deliveries settled when the work commits; none for a transaction of the application's own
   * @param client a client of the database on which the caller has begun a transaction: `commit()` then leaves the committing to the caller
   */
  begin(deliveries: readonly Delivery[], client?: unknown): Work
  /** Stores a dead letter and settles its delivery, both or neither (PG-I4). */
  bury(delivery: Delivery, letter: Outgoing, timeoutMs: number): Promise<PublishOutcome>
  /** Compares every row with the inner backend. Throws `BUS_NOT_FOUND`. */
  verify(stream: string): Promise<VerifyReport>
  repair(stream: string, options: RepairOptions): Promise<RepairReport>
  /** By stream and position. Nothing is held open between two messages. */
  history(query: LedgerQuery): AsyncIterable<StoredMessage>
}
