/** A delivery as the bus sees it: the message as the ledger has it, and what is needed to settle it. */
import type { Delivery } from '../../../src/adapter.js'
import type { StoredMessage } from '../../../src/message.js'

export class LedgerDelivery implements Delivery {
  readonly message: StoredMessage
  readonly consumer: number
  /** The inner backend's. */
  readonly inner: Delivery
  /** At first what the inner backend counts, which may have lost count. */
  attempt: number
  /** The ledger has it as settled already: by a transaction, or with its dead letter. */
  isRecorded = false

  /** @param consumer its row */
  constructor(message: StoredMessage, inner: Delivery, consumer: number) {
    this.message = message
    this.attempt = inner.attempt
    this.consumer = consumer
    this.inner = inner
  }

  get expiresAt(): number {
    return this.inner.expiresAt
  }
}

export function ledgerDeliveries(deliveries: readonly Delivery[]): LedgerDelivery[] {
  return deliveries.filter((delivery) => delivery instanceof LedgerDelivery)
}
