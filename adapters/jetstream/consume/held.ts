/**
 * What a feed was handed and has not settled. A server that comes back with an older state of its consumer has forgotten the last of it, and
 * hands that to somebody else. Nothing tells of it, but the numbers of what it hands out go back.
 */
import type { Away } from './away.js'
import type { Arrival, JetStreamDelivery } from './delivery.js'

/** What came before a hand-out. */
export interface Earlier {
  /** That count. */
  readonly attempts: number
  /** All of it happened here, and nothing was settled for good: nobody else can have settled it meanwhile. */
  readonly isOurs: boolean
}

export class Held {
  readonly #deliveries = new Map<number, JetStreamDelivery>()
  #last = 0

  get size(): number {
    return this.#deliveries.size
  }

  /** The number of the last hand-out that arrived here. */
  get last(): number {
    return this.#last
  }

  /** The newest of a message. */
  get(sequence: number): JetStreamDelivery | undefined {
    return this.#deliveries.get(sequence)
  }

  has(sequence: number): boolean {
    return this.#deliveries.has(sequence)
  }

  values(): Iterable<JetStreamDelivery> {
    return this.#deliveries.values()
  }

  add(delivery: JetStreamDelivery): void {
    this.#deliveries.set(delivery.message.sequence, delivery)
  }

  delete(sequence: number): void {
    this.#deliveries.delete(sequence)
  }

  clear(): void {
    this.#deliveries.clear()
  }

  /** Before it is added. @param now monotonic ms */
  arrived({ consumerSequence }: Arrival, now: number): void {
    if (consumerSequence <= this.#last) this.letGo(consumerSequence - 1, this.#last, now)
    this.#last = consumerSequence
  }

  /**
   * What was held for longer than an ack wait is not begun any more. The server may be another one, with an older state: by that it is time
   * to hand such a message to somebody else, and an extension that comes then takes nothing out of its queue for that.
   */
  forgetExtensions(): void {
    for (const delivery of this.#deliveries.values()) delivery.forgetExtensions()
  }

  /** Those after `known` and up to `last` may be with somebody else: what is not begun of them is not begun any more. @param now monotonic ms */
  letGo(known: number, last: number, now: number): void {
    if (known >= last) return
    for (const delivery of this.#deliveries.values()) {
      const { consumerSequence } = delivery
      if (consumerSequence > known && consumerSequence <= last) delivery.expiresAt = Math.min(delivery.expiresAt, now)
    }
  }
}

/** How the hand-out before this one ended. Undefined when only the server's records can tell: it was somebody else's, or settled here. */
export function earlierOf({ message, count }: Arrival, held: Held, away: Away): Earlier | undefined {
  if (count === 1) return { attempts: 0, isOurs: true }
  const last = held.get(message.sequence)
  // Nobody settled it in time: an attempt.
  if (last?.count === count - 1) return { attempts: last.attempt, isOurs: last.isOurs }
  const returning = away.get(message.sequence)
  return returning?.count === count - 1 ? returning : undefined
}
