/**
 * Tells the backend, once a round, that what a pool holds is still being worked on, so that it is not delivered twice (JS-S11).
 * One timer for all deliveries; it rests while nothing is held.
 */
import type { Clock, Timer } from './clock.js'

/** Three rounds to an ack wait leave room for one lost beat. */
const ROUNDS_PER_ACK_WAIT = 3

export class Heartbeat {
  readonly #clock: Clock
  readonly #periodMs: number
  readonly #onBeat: () => boolean
  #timer: Timer | undefined

  /** @param onBeat extends what is held; returns whether that is anything */
  constructor(clock: Clock, ackWaitMs: number, onBeat: () => boolean) {
    this.#clock = clock
    this.#periodMs = ackWaitMs / ROUNDS_PER_ACK_WAIT
    this.#onBeat = onBeat
  }

  /** Something is held from now on. */
  start(): void {
    if (this.#timer === undefined) this.#arm()
  }

  stop(): void {
    this.#timer?.cancel()
    this.#timer = undefined
  }

  /** Apart, because what a closure captures is allocated at each call of its function, and `start` is called for each message. */
  #arm(): void {
    this.#timer = this.#clock.timer(this.#periodMs, () => this.#beat(), { ref: false })
  }

  #beat(): void {
    this.#timer = undefined
    if (this.#onBeat()) this.start()
  }
}
