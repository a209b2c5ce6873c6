/**
 * Which attempt a message is at. For a moment two copies of it can lie in the inner stream, when that was lost during its rebuild or has lost its
 * tail, and each is counted for itself over there. Here the numbers of a message only rise, and no copy comes before the backoff after the
 * last failure is over. Another process does not know what failed here.
 */
import type { Clock } from '../../../src/clock.js'

/** Of messages that others settled nobody tells: the oldest are forgotten. */
const MAX_REMEMBERED = 10_000

/** Of a message, by its position in the ledger. */
interface Numbered {
  readonly message: { readonly sequence: number }
  readonly attempt: number
}

interface Failed {
  readonly attempt: number
  /** Monotonic ms. */
  readonly dueAt: number
}

export class Attempts {
  readonly #clock: Clock
  readonly #failed = new Map<number, Failed>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** How long a delivery has to wait, in ms: it is another copy of what has just failed. */
  waitMs({ message, attempt }: Numbered): number {
    const last = this.#failed.get(message.sequence)
    return last === undefined || attempt > last.attempt ? 0 : Math.max(0, last.dueAt - this.#clock.monotonic())
  }

  /** The number of a delivery that is due. */
  numberOf({ message, attempt }: Numbered): number {
    const last = this.#failed.get(message.sequence)
    const number = Math.max(attempt, (last?.attempt ?? 0) + 1)
    if (number > 1) this.#remember(message.sequence, { attempt: number - 1, dueAt: last?.dueAt ?? 0 })
    return number
  }

  failed({ message, attempt }: Numbered, delayMs: number): void {
    this.#remember(message.sequence, { attempt, dueAt: this.#clock.monotonic() + delayMs })
  }

  settled({ message }: Numbered): void {
    this.#failed.delete(message.sequence)
  }

  #remember(position: number, failed: Failed): void {
    this.#failed.delete(position)
    this.#failed.set(position, failed)
    if (this.#failed.size <= MAX_REMEMBERED) return
    for (const oldest of this.#failed.keys()) return void this.#failed.delete(oldest)
  }
}
