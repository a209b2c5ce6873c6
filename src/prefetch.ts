/**
 * How many deliveries a pool holds ready when nobody says: what its handlers take in 50 ms. A fast pool need not wait for the backend then,
 * and a slow one holds little that another process could be working on. Measured: `docs/benchmarks.md`, where the time goes.
 */
import type { PrefetchSettings } from './pool-settings.js'

const HELD_MS = 50
/** Between two looks. */
const LOOK_MS = 25

export class Prefetch {
  readonly #least: number
  readonly #most: number
  #handled = 0
  /** Of the last look, by the monotonic clock. */
  #since = Number.NEGATIVE_INFINITY
  #size: number

  constructor({ least, most }: PrefetchSettings) {
    this.#least = least
    this.#most = most
    this.#size = least
  }

  get size(): number {
    return this.#size
  }

  /** @param now `clock.monotonic()` */
  handled(count: number, now: number): void {
    this.#handled += count
    const passed = now - this.#since
    if (passed < LOOK_MS) return
    const enough = Math.floor((this.#handled / passed) * HELD_MS)
    this.#size = Math.min(this.#most, Math.max(this.#least, enough))
    this.#since = now
    this.#handled = 0
  }
}
