/**
 * What became of deliveries, on its way to the ledger: that they are settled, or that an attempt failed. What comes while one statement is
 * under way goes together in the next. It is recorded first and told to the inner backend afterwards, so that a message that it brings
 * again can be recognised. What could not be recorded is repeated for as long as its message is this process's: a short outage of
 * PostgreSQL costs no redelivery.
 *
 *   waiting ---> sent ---> recorded
 *      ^           +-----> failed, for now ---> its ack wait is over, or we close ---> rejected
 *      +--- a pause ------------+
 */
import type { Clock } from '../../../src/clock.js'
import type { BusError } from '../../../src/errors.js'
import type { Database, Statement } from '../database/database.js'
import { ledgerError } from '../database/pg-failure.js'
import { noteFailed } from '../sql/note-failed.js'
import { settle } from '../sql/settle.js'
import type { LedgerDelivery } from './ledger-delivery.js'

const [FIRST_PAUSE_MS, LONGEST_PAUSE_MS] = [20, 500]

export interface Recorded {
  readonly delivery: LedgerDelivery
  /** Of a failed attempt: until the next one, in ms. */
  readonly delayMs: number
}

/** One statement for many, idempotent. */
type ToStatement = (schema: string, recorded: readonly Recorded[]) => Statement

interface Waiting {
  readonly deliveries: readonly LedgerDelivery[]
  readonly delayMs: number
  readonly resolve: () => void
  readonly reject: (error: unknown) => void
}

export class Settlements {
  readonly #database: Database
  readonly #clock: Clock
  readonly #toStatement: ToStatement
  #waiting: Waiting[] = []
  #isWorking = false
  #isClosed = false
  #onIdle: () => void = () => {}
  #resume: () => void = () => {}

  constructor(database: Database, clock: Clock, toStatement: ToStatement) {
    this.#database = database
    this.#clock = clock
    this.#toStatement = toStatement
  }

  /** Resolves when it is committed. Rejects when it is not within the ack wait, or nobody knows: the message comes again then. */
  record(deliveries: readonly LedgerDelivery[], delayMs = 0): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ deliveries, delayMs, resolve, reject })
      if (!this.#isWorking) void this.#work()
    })
  }

  /** Repeats nothing more. Resolves when nothing is on its way. */
  close(): Promise<void> {
    this.#isClosed = true
    this.#resume()
    return new Promise((resolve) => {
      this.#onIdle = resolve
      if (!this.#isWorking) resolve()
    })
  }

  async #work(): Promise<void> {
    this.#isWorking = true
    await Promise.resolve()
    let pauseMs = FIRST_PAUSE_MS
    while (this.#waiting.length > 0) {
      const batch = this.#waiting
      this.#waiting = []
      const failure = await this.#write(batch)
      if (failure === undefined) pauseMs = FIRST_PAUSE_MS
      else {
        if (failure.retryable) await this.#pause(pauseMs)
        pauseMs = Math.min(2 * pauseMs, LONGEST_PAUSE_MS)
        this.#waiting.unshift(...this.#repeatable(batch, failure))
      }
    }
    this.#isWorking = false
    this.#onIdle()
  }

  /** @returns why it is not known to be recorded */
  async #write(batch: readonly Waiting[]): Promise<BusError | undefined> {
    const recorded = batch.flatMap(({ deliveries, delayMs }) => deliveries.map((delivery) => ({ delivery, delayMs })))
    try {
      await this.#database.query('work', this.#toStatement(this.#database.schema, recorded))
      for (const { resolve } of batch) resolve()
      return undefined
    } catch (thrown) {
      return ledgerError('settle', thrown)
    }
  }

  /** The others are told: somebody else may have their messages by now. */
  #repeatable(batch: readonly Waiting[], failure: BusError): Waiting[] {
    const now = this.#clock.monotonic()
    return batch.filter(({ deliveries, reject }) => {
      const isOurs = failure.retryable && !this.#isClosed && deliveries.every(({ expiresAt }) => now < expiresAt)
      if (!isOurs) reject(failure)
      return isOurs
    })
  }

  async #pause(ms: number): Promise<void> {
    if (this.#isClosed) return
    await new Promise<void>((resolve) => {
      this.#resume = resolve
      this.#clock.timer(ms, resolve)
    })
  }
}

export const settledStatement: ToStatement = (schema, recorded) =>
  settle(schema, consumersOf(recorded), positionsOf(recorded))

export const failedStatement: ToStatement = (schema, recorded) => {
  const attempts = recorded.map(({ delivery }) => delivery.attempt)
  const delaysMs = recorded.map(({ delayMs }) => delayMs)
  return noteFailed(schema, consumersOf(recorded), positionsOf(recorded), attempts, delaysMs)
}

function consumersOf(recorded: readonly Recorded[]): number[] {
  return recorded.map(({ delivery }) => delivery.consumer)
}

function positionsOf(recorded: readonly Recorded[]): number[] {
  return recorded.map(({ delivery }) => delivery.message.sequence)
}
