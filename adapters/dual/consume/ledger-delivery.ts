/** A delivery as the bus sees it: the message as the ledger has it, and what is needed to settle it. */
import type { Delivery, Settlement } from '../../../src/adapter.js'
import type { StoredMessage } from '../../../src/message.js'
import type { Attempts } from './attempts.js'

export class LedgerDelivery implements Delivery {
  readonly message: StoredMessage
  readonly consumer: number
  /** The inner backend's. */
  readonly inner: Delivery
  /** At first what the inner backend counts for this copy. */
  attempt: number
  readonly #attempts: Attempts
  /** The ledger has it as settled already: by a transaction, or with its dead letter. */
  isRecorded = false

  /** @param consumer its row */
  constructor(message: StoredMessage, inner: Delivery, consumer: number, attempts: Attempts) {
    this.message = message
    this.attempt = inner.attempt
    this.consumer = consumer
    this.inner = inner
    this.#attempts = attempts
  }

  get expiresAt(): number {
    return this.inner.expiresAt
  }

  /** What became of it. */
  note(settlement: Settlement): void {
    if (settlement.kind === 'nak') this.#attempts.failed(this, settlement.delayMs)
    else if (settlement.kind === 'ack' || settlement.kind === 'term') this.#attempts.settled(this)
  }
}

export function ledgerDeliveries(deliveries: readonly Delivery[]): LedgerDelivery[] {
  return deliveries.filter((delivery) => delivery instanceof LedgerDelivery)
}
