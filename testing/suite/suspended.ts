/**
 * Group `suspended`: what a process does that was suspended, or whose event loop was blocked, for longer than the ack wait (JS-F2). Time
 * goes on for its bus, and its timers do not fire.
 */
import assert from 'node:assert/strict'
import { type Clock, systemClock, type Timer } from '../../src/clock.js'
import { until } from './expect.js'
import { type GroupDefinition, scenario } from './harness.js'
import type { Scene } from './scene.js'

/** Long enough that a busy machine does not stand still for it by itself. */
const ACK_WAIT_MS = 600

/** The system's, whose timers fire only while it is not suspended. */
class SuspendableClock implements Clock {
  readonly #late: (() => void)[] = []
  #isSuspended = false
  readonly now = systemClock.now
  readonly monotonic = systemClock.monotonic
  readonly defer = systemClock.defer

  timer(ms: number, callback: () => void, options?: { readonly ref?: boolean }): Timer {
    let isOver = false
    const fire = (): void => {
      if (isOver) return
      if (this.#isSuspended) this.#late.push(fire)
      else callback()
    }
    const timer = systemClock.timer(ms, fire, options)
    const cancel = (): void => {
      isOver = true
      timer.cancel()
    }
    return { cancel, hold: (on) => timer.hold(on) }
  }

  suspend(): void {
    this.#isSuspended = true
  }

  resume(): void {
    this.#isSuspended = false
    for (const fire of this.#late.splice(0)) fire()
  }
}

/** Two processes: the first runs message 1 and holds message 2 ready when it is suspended; the second is given both. */
async function takenOver(s: Scene) {
  const clock = new SuspendableClock()
  const consumer = s.consumer({ ackWait: ACK_WAIT_MS })
  const [one, two] = [await s.bus({ clock }), await s.bus()]
  const [first, second] = [s.gate(), s.gate()]
  const pool = await one.consume(consumer, first.enter, s.pool({ concurrency: 1, prefetch: 1 }))
  await s.publish(one, 'a', [1, 2])
  await first.reached(1)
  await until(() => pool.stats().waiting === 1, 'the second message to be held ready')
  clock.suspend()
  const other = await two.consume(consumer, second.enter, s.pool())
  await second.reached(2)
  return { clock, two, pool, other, first, second }
}

export const suspended: GroupDefinition = {
  name: 'suspended',
  scenarios: [
    scenario('what was held and not started is not started any more: it runs elsewhere', async (s) => {
      const { clock, two, pool, first, second } = await takenOver(s)
      first.open()
      await until(() => pool.stats().handled === 1, 'the handler that was running to end')
      clock.resume()
      assert.deepEqual([first.arrivals, pool.stats().waiting], [1, 0])
      second.open()
      await s.idle(two)
      assert.deepEqual([first.arrivals, second.arrivals], [1, 2])
    }),

    scenario('what was held and not started is not taken back from whoever has it', async (s) => {
      const { clock, two, pool, other, first, second } = await takenOver(s)
      pool.pause()
      clock.resume()
      first.open()
      await until(() => pool.stats().handled === 1, 'the handler that was running to end')
      pool.resume()
      second.open()
      await s.idle(two)
      assert.deepEqual([first.arrivals, second.arrivals, other.stats().handled], [1, 2, 2])
    }),
  ],
}
