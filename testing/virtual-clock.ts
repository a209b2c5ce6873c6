/**
 * A clock that stands still until a test moves it. Timers fire in order and on time; between two of them all work that needs no time is
 * done. What the bus defers runs in an order that the run number fixes.
 */
import { setImmediate as turn } from 'node:timers/promises'
import type { Clock, Timer } from '../src/clock.js'
import { shuffled } from './run-number.js'

interface Pending {
  readonly callback: () => void
  readonly dueAt: number
}

/** Turns of the event loop without deferred work after which nothing more is expected to happen without time passing. */
const QUIET_TURNS = 3

export class VirtualClock implements Clock {
  readonly #startMs: number
  readonly #random: () => number
  readonly #timers: Pending[] = []
  #deferred: (() => void)[] = []
  #elapsedMs = 0

  /** @param random uniform in [0, 1): the order of deferred work */
  constructor(random: () => number, startMs = Date.UTC(2000, 0, 1)) {
    this.#random = random
    this.#startMs = startMs
  }

  now(): number {
    return this.#startMs + this.#elapsedMs
  }

  monotonic(): number {
    return this.#elapsedMs
  }

  timer(ms: number, callback: () => void): Timer {
    const pending: Pending = { callback, dueAt: this.#elapsedMs + Math.max(0, ms) }
    this.#timers.push(pending)
    return { cancel: () => this.#cancel(pending), hold: () => {} }
  }

  defer(callback: () => void): void {
    this.#deferred.push(callback)
    if (this.#deferred.length === 1) setImmediate(() => this.#runDeferred())
  }

  /** Moves time on by `ms`, firing what falls due on the way. */
  async advance(ms: number): Promise<void> {
    const end = this.#elapsedMs + ms
    await this.quiet()
    for (let next = this.#next(end); next !== undefined; next = this.#next(end)) {
      this.#cancel(next)
      this.#elapsedMs = next.dueAt
      next.callback()
      await this.quiet()
    }
    this.#elapsedMs = end
  }

  /** Resolves when nothing more happens without time passing, or I/O of the test's own. */
  async quiet(): Promise<void> {
    for (let quiet = 0; quiet < QUIET_TURNS; quiet++) {
      await turn()
      if (this.#deferred.length > 0) quiet = 0
    }
  }

  #next(end: number): Pending | undefined {
    let first: Pending | undefined
    // The list is in the order of setting, so of two that are due together the older fires first.
    for (const timer of this.#timers)
      if (timer.dueAt <= end && (first === undefined || timer.dueAt < first.dueAt)) first = timer
    return first
  }

  #cancel(pending: Pending): void {
    const at = this.#timers.indexOf(pending)
    if (at >= 0) this.#timers.splice(at, 1)
  }

  #runDeferred(): void {
    const callbacks = shuffled(this.#deferred, this.#random)
    this.#deferred = []
    for (const callback of callbacks) callback()
  }
}
