/**
 * Settlements on their way to the ledger: what comes while one statement is under way goes together in the next. They are recorded first
 * and told to the inner backend afterwards, so that a message that it brings again can be recognised.
 */
import type { Database } from '../database/database.js'
import { ledgerError } from '../database/pg-failure.js'
import { settle } from '../sql/settle.js'
import type { LedgerDelivery } from './ledger-delivery.js'

interface Waiting {
  readonly deliveries: readonly LedgerDelivery[]
  readonly resolve: () => void
  readonly reject: (error: unknown) => void
}

export class Settlements {
  readonly #database: Database
  #waiting: Waiting[] = []
  #isWorking = false
  #onIdle: () => void = () => {}

  constructor(database: Database) {
    this.#database = database
  }

  /** Resolves when it is committed. Rejects when it is not, or nobody knows: the message comes again then. */
  record(deliveries: readonly LedgerDelivery[]): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ deliveries, resolve, reject })
      if (!this.#isWorking) void this.#work()
    })
  }

  /** Resolves when nothing is on its way. */
  close(): Promise<void> {
    return new Promise((resolve) => {
      this.#onIdle = resolve
      if (!this.#isWorking) resolve()
    })
  }

  async #work(): Promise<void> {
    this.#isWorking = true
    await Promise.resolve()
    while (this.#waiting.length > 0) {
      const batch = this.#waiting
      this.#waiting = []
      await this.#write(batch)
    }
    this.#isWorking = false
    this.#onIdle()
  }

  async #write(batch: readonly Waiting[]): Promise<void> {
    const deliveries = batch.flatMap((waiting) => waiting.deliveries)
    const consumers = deliveries.map((delivery) => delivery.consumer)
    const positions = deliveries.map((delivery) => delivery.message.sequence)
    try {
      await this.#database.query('work', settle(this.#database.schema, consumers, positions))
      for (const { resolve } of batch) resolve()
    } catch (thrown) {
      const error = ledgerError('settle', thrown)
      for (const { reject } of batch) reject(error)
    }
  }
}
