/** Who waits for something new in a stream. This process tells of what it stored; what others store is looked for (PG-N4). */
import type { Clock } from '../../../src/clock.js'
import type { News } from './read.js'

/** How late a message of another process may be seen by who follows, in ms. */
const POLL_MS = 200

export class Fresh implements News {
  readonly #clock: Clock
  readonly #waiting = new Map<number, Set<() => void>>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** Something was stored. */
  tell(stream: number): void {
    for (const heard of this.#waiting.get(stream) ?? []) heard()
  }

  wait(stream: number, signal: AbortSignal): Promise<void> {
    if (signal.aborted) return Promise.resolve()
    return new Promise((resolve) => {
      const waiting = this.#waiting.get(stream) ?? new Set()
      this.#waiting.set(stream, waiting)
      const heard = (): void => {
        timer.cancel()
        waiting.delete(heard)
        signal.removeEventListener('abort', heard)
        resolve()
      }
      const timer = this.#clock.timer(POLL_MS, heard)
      waiting.add(heard)
      signal.addEventListener('abort', heard, { once: true })
    })
  }
}
