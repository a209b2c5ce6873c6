/** A delivery as the bus sees it: the message as the ledger has it, and what is needed to settle it. */
import type { Delivery } from '../../../src/adapter.js'
import type { StoredMessage } from '../../../src/message.js'

export interface Receiver {
  /** Row of the consumer. */
  readonly consumer: number
  readonly ackWaitMs: number
}

export class LedgerDelivery implements Delivery {
  readonly message: StoredMessage
  readonly attempt: number
  readonly consumer: number
  /** The inner backend's. */
  readonly inner: Delivery
  /** The ledger has it as settled already: by a transaction, or with its dead letter. */
  isRecorded = false
  readonly ackWaitMs: number
  /** When its ack wait ends, by the monotonic clock: the message may be with somebody else from then on. */
  settleBy: number

  /** @param now by the monotonic clock */
  constructor(message: StoredMessage, inner: Delivery, { consumer, ackWaitMs }: Receiver, now: number) {
    this.message = message
    this.attempt = inner.attempt
    this.consumer = consumer
    this.inner = inner
    this.ackWaitMs = ackWaitMs
    this.settleBy = now + ackWaitMs
  }
}

export function ledgerDeliveries(deliveries: readonly Delivery[]): LedgerDelivery[] {
  return deliveries.filter((delivery) => delivery instanceof LedgerDelivery)
}
