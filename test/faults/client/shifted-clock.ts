/** The system's clock with a wall time that is wrong by a known amount, and may jump. Its monotonic time is right, as a real one is. */
import { type Clock, systemClock } from '../../../src/clock.js'

export class ShiftedClock implements Clock {
  /** Negative: behind. */
  aheadMs = 0
  readonly monotonic = systemClock.monotonic
  readonly timer = systemClock.timer
  readonly defer = systemClock.defer

  now(): number {
    return systemClock.now() + this.aheadMs
  }
}
