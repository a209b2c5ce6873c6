/**
 * Time, as everything in busbar reads it. Code takes a `Clock` instead of `Date` and `setTimeout`, so a test can own time.
 */

export interface Timer {
  cancel(): void
  /** Whether the wait keeps the process alive. */
  hold(on: boolean): void
}

export interface Clock {
  /** Wall time in ms since the epoch, for time stamps. May jump. */
  now(): number
  /** Monotonic ms from an arbitrary start, for deadlines. Never jumps. */
  monotonic(): number
  /**
   * Calls back once, not before `ms` have passed, or `MAX_TIMER_MS` if that is less: who waits for longer waits again. A timer that is not
   * `ref`ed does not keep the process alive.
   */
  timer(ms: number, callback: () => void, options?: { readonly ref?: boolean }): Timer
  /** Calls back soon, after pending I/O had its turn. */
  defer(callback: () => void): void
}

/** The longest wait that `setTimeout` honours; beyond it Node fires at once. */
export const MAX_TIMER_MS = 2 ** 31 - 1

export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  timer(ms, callback, options) {
    const handle = setTimeout(callback, Math.min(Math.max(0, Math.ceil(ms)), MAX_TIMER_MS))
    if (options?.ref === false) handle.unref()
    return { cancel: () => clearTimeout(handle), hold: (on) => void (on ? handle.ref() : handle.unref()) }
  },
  defer: (callback) => {
    setImmediate(callback)
  },
}

/** Resolves when the work does, or when the time is up. The work goes on. */
export async function withTimeLimit(work: Promise<unknown>, ms: number, clock: Clock): Promise<void> {
  if (ms <= 0) return
  await new Promise<void>((resolve, reject) => {
    const timer = clock.timer(ms, resolve)
    work.then(() => resolve(), reject).finally(() => timer.cancel())
  })
}
