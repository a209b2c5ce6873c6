/**
 * A transaction for a handler or for the application: what it writes, what it publishes and the settlement of its deliveries commit
 * together or not at all. The row in the inbox is the claim (PG-L6): of two attempts at one message the second waits for the first, and
 * writes nothing when that has committed (PG-I1, PG-L7).
 *
 *   unused --- first statement ---> open --- commit() ---> over
 *                                     +--- rollback(), a lost claim ---> over
 */
import type { PoolClient } from 'pg'
import type { Delivery } from '../../../src/adapter.js'
import type { Clock } from '../../../src/clock.js'
import { BusError } from '../../../src/errors.js'
import type { QueryResult, Work } from '../../../src/ledger.js'
import type { Outgoing } from '../../../src/message.js'
import type { Database, Statement } from '../database/database.js'
import { isRefusal, ledgerError } from '../database/pg-failure.js'
import { wasCommitted } from '../database/was-committed.js'
import { type Answer, understand } from '../publish/answer.js'
import { type Draft, toDrafts } from '../publish/drafts.js'
import { NOBODY } from '../relay/outbox.js'
import { append } from '../sql/append.js'
import { type Claimed, claim, disclaim } from '../sql/claim.js'
import { settle } from '../sql/settle.js'
import { settleAndAppend } from '../sql/settle-and-append.js'
import { type TransactionId, transactionId } from '../sql/transaction-status.js'
import { type LedgerDelivery, ledgerDeliveries } from './ledger-delivery.js'

export interface WorkParts {
  readonly database: Database
  readonly clock: Clock
  readonly deliveries: readonly LedgerDelivery[]
  /** Begun by the caller, who also ends it. */
  readonly client: PoolClient | undefined
  /** Throws a `BusError` for what no stream takes. */
  readonly draft: (message: Outgoing) => Draft
  /** Streams that were published to, after the commit. */
  readonly onCommitted: (streams: ReadonlySet<number>) => void
}

export class LedgerWork implements Work {
  readonly #parts: WorkParts
  readonly #drafts: Draft[] = []
  #opening: Promise<PoolClient> | undefined
  /** Number of the transaction, once it has claimed a message. */
  #xid: string | undefined
  #isOver = false
  isSettledBefore = false

  constructor(parts: WorkParts) {
    this.#parts = parts
  }

  get isUsed(): boolean {
    return this.#opening !== undefined || this.#drafts.length > 0
  }

  client(): Promise<PoolClient> {
    if (this.#isOver) return Promise.reject(over())
    this.#opening ??= this.#open()
    return this.#opening
  }

  async query<Row>(text: string, values?: readonly unknown[]): Promise<QueryResult<Row>> {
    const client = await this.client()
    return (await client.query(text, values === undefined ? undefined : [...values])) as unknown as QueryResult<Row>
  }

  publish(message: Outgoing): void {
    if (this.#isOver) throw over()
    this.#drafts.push(this.#parts.draft(message))
  }

  async commit(failed: readonly Delivery[] = []): Promise<void> {
    const client = await this.client()
    const { client: theirs } = this.#parts
    const deliveries = this.#parts.deliveries.filter((delivery) => !failed.includes(delivery))
    this.#isOver = true
    try {
      await this.#disclaim(client, failed)
      await this.#settleAndAppend(client, deliveries)
      if (theirs === undefined) await this.#end(client)
    } catch (thrown) {
      if (theirs === undefined) client.release(true)
      throw ledgerError('commit', thrown)
    }
    for (const delivery of deliveries) delivery.isRecorded = true
    if (this.#drafts.length > 0) this.#parts.onCommitted(new Set(this.#drafts.map(({ stream }) => stream.id)))
  }

  async rollback(): Promise<void> {
    if (this.#isOver) return
    this.#isOver = true
    const client = await this.#opening?.catch(() => undefined)
    if (client === undefined || this.#parts.client !== undefined) return
    // A statement of the handler may still be running: the connection ends with it (PG-J3).
    client.release(true)
  }

  async #open(): Promise<PoolClient> {
    const { client: theirs, database, deliveries } = this.#parts
    if (theirs !== undefined) return theirs
    const client = await database.connect('handlers').catch((thrown: unknown) => {
      throw ledgerError('begin a transaction', thrown)
    })
    try {
      await client.query('begin')
      await this.#claim(client, deliveries)
      return client
    } catch (thrown) {
      client.release(true)
      throw ledgerError('begin a transaction', thrown)
    }
  }

  async #claim(client: PoolClient, deliveries: readonly LedgerDelivery[]): Promise<void> {
    if (deliveries.length === 0) return
    const { schema } = this.#parts.database
    const claimed = await run<Claimed>(client, claim(schema, deliveries))
    this.#xid = claimed[0]?.xid
    if (claimed.length === deliveries.length) return
    this.isSettledBefore = claimed.length === 0
    throw new BusError(
      'BUS_CONFLICT',
      '[dual] this consumer has handled the message already: nothing was written a second time. It is acknowledged',
    )
  }

  async #disclaim(client: PoolClient, failed: readonly Delivery[]): Promise<void> {
    const deliveries = ledgerDeliveries(failed)
    if (deliveries.length > 0) await run(client, disclaim(this.#parts.database.schema, deliveries))
  }

  /** Last, because streams stay locked from here to the end of the transaction; in one statement, so that they are locked in one order. */
  async #settleAndAppend(client: PoolClient, deliveries: readonly LedgerDelivery[]): Promise<void> {
    const { schema } = this.#parts.database
    const consumers = deliveries.map((delivery) => delivery.consumer)
    const positions = deliveries.map((delivery) => delivery.message.sequence)
    if (this.#drafts.length === 0) {
      if (deliveries.length > 0) await run(client, settle(schema, consumers, positions))
      return
    }
    const drafts = toDrafts(this.#drafts)
    const statement =
      deliveries.length === 0
        ? append(schema, NOBODY, drafts, false, null)
        : settleAndAppend(schema, { consumers, positions }, NOBODY, drafts)
    const [row] = await run<{ answer: Answer }>(client, statement)
    const { outcomes } = understand(this.#drafts, row?.answer ?? { runs: [], odd: [] })
    for (const outcome of outcomes) if (outcome.status === 'rejected') throw outcome.error
  }

  /** When the answer is lost, the server knows what became of it. A transaction that was lost before refuses to tell its number. */
  async #end(client: PoolClient): Promise<void> {
    const xid = this.#xid ?? (await run<TransactionId>(client, transactionId))[0]?.xid ?? undefined
    try {
      await client.query('commit')
      client.release()
    } catch (thrown) {
      const { database, clock } = this.#parts
      if (isRefusal(thrown)) throw thrown
      if (xid !== undefined && !(await wasCommitted(database, clock, xid))) throw thrown
      client.release(true)
    }
  }
}

async function run<Row extends object>(client: PoolClient, { text, values = [] }: Statement): Promise<Row[]> {
  return (await client.query<Row>(text, [...values])).rows
}

function over(): BusError {
  return new BusError(
    'BUS_CLOSED',
    '[dual] the transaction is over. Await everything that it does before the handler returns',
  )
}
