/** A clock that a test turns by hand, one step at a time, and that tells how many timers are set. Nothing in it is random or awaited. */
import { type Clock, MAX_TIMER_MS, type Timer } from '../src/clock.js'

interface Armed {
  readonly dueAt: number
  readonly callback: () => void
  held: boolean
}

export class HandClock implements Clock {
  readonly #armed = new Set<Armed>()
  #nowMs = 0

  /** Timers that would fire. */
  get timers(): number {
    return this.#armed.size
  }

  /** Whether a timer keeps the process alive. */
  get isHeld(): boolean {
    return [...this.#armed].some((timer) => timer.held)
  }

  now(): number {
    return this.#nowMs
  }

  monotonic(): number {
    return this.#nowMs
  }

  timer(ms: number, callback: () => void, options: { readonly ref?: boolean } = {}): Timer {
    const armed: Armed = {
      dueAt: this.#nowMs + Math.min(Math.max(0, ms), MAX_TIMER_MS),
      callback,
      held: options.ref ?? true,
    }
    this.#armed.add(armed)
    return {
      cancel: () => void this.#armed.delete(armed),
      hold: (on) => {
        armed.held = on
      },
    }
  }

  /** Calls back at once. */
  defer(callback: () => void): void {
    callback()
  }

  /** Moves time on, firing every timer at its own time. */
  advance(ms: number): void {
    const end = this.#nowMs + ms
    for (let next = this.#next(end); next !== undefined; next = this.#next(end)) {
      this.#armed.delete(next)
      this.#nowMs = Math.max(this.#nowMs, next.dueAt)
      next.callback()
    }
    this.#nowMs = end
  }

  /** Time passes while the process is suspended: timers that fell due meanwhile fire afterwards, late. */
  stall(ms: number): void {
    this.suspend(ms)
    this.advance(0)
  }

  /** Time passes while the process is suspended, and what fell due has not fired yet. */
  suspend(ms: number): void {
    this.#nowMs += ms
  }

  #next(end: number): Armed | undefined {
    const due = [...this.#armed].filter((timer) => timer.dueAt <= end)
    return due.sort((a, b) => a.dueAt - b.dueAt)[0]
  }
}
