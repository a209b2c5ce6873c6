/**
 * What a feed was handed and has not looked at yet, a turn of the event loop at a time. Where keys are ordered it counts: a consumer numbers
 * what it hands out, so a number that is missing here went to somebody else, or was lost on its way. Nothing newer is passed on before it is
 * known what that was (JS-C8).
 */
import type { Msg } from '@nats-io/transport-node'
import { type Arrival, toArrival } from './delivery.js'

export interface ArrivalsOwner {
  /** Gets them, in order. @param since when the first of them was handed out at the earliest, by the monotonic clock */
  take(arrivals: readonly Arrival[], since: number): void
  /** Finds out what was handed out and is not here, and tells with `isKnown()`. Never rejects. */
  account(): Promise<unknown>
}

export class Arrivals {
  readonly #owner: ArrivalsOwner
  #arrived: Arrival[] = []
  /** Of the first of them. */
  #since = 0
  /** The number up to which all is accounted for. */
  #known = Number.POSITIVE_INFINITY
  #isAsking = false
  #isTold = false

  constructor(owner: ArrivalsOwner) {
    this.#owner = owner
  }

  /**
   * Called from inside the client, where nothing of ours may run (JS-F5).
   * @param since when it was handed out at the earliest, by the monotonic clock
   */
  receive(received: Msg, since: number): void {
    const arrival = toArrival(received)
    if (arrival === undefined) return
    if (this.#arrived.length === 0) {
      this.#since = since
      queueMicrotask(() => this.#pass())
    }
    this.#arrived.push(arrival)
  }

  /** What was handed out so far is accounted for. */
  isKnown(consumerSequence: number): void {
    this.#known = consumerSequence
    this.#isTold = true
  }

  /** Passes on what is here. */
  flush(): void {
    const arrived = this.#arrived
    this.#arrived = []
    if (arrived.length > 0) this.#owner.take(arrived, this.#since)
  }

  #pass(): void {
    if (this.#isAsking) return
    if (this.#isComplete()) this.flush()
    else void this.#ask()
  }

  #isComplete(): boolean {
    for (const { consumerSequence } of this.#arrived) {
      if (consumerSequence > this.#known + 1) return false
      this.#known = Math.max(this.#known, consumerSequence)
    }
    return true
  }

  /** Again for what arrives meanwhile. Who cannot tell goes on as it is. */
  async #ask(): Promise<void> {
    this.#isAsking = true
    do {
      this.#isTold = false
      await this.#owner.account()
    } while (this.#isTold && !this.#isComplete())
    this.#isAsking = false
    this.#known = Math.max(this.#known, this.#arrived.at(-1)?.consumerSequence ?? 0)
    this.flush()
  }
}
