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
  readonly #onBeat: (round: number) => boolean
  #timer: Timer | undefined
  #round = 0

  /** @param onBeat extends what came before this round; returns whether anything is held */
  constructor(clock: Clock, ackWaitMs: number, onBeat: (round: number) => boolean) {
    this.#clock = clock
    this.#periodMs = ackWaitMs / ROUNDS_PER_ACK_WAIT
    this.#onBeat = onBeat
  }

  /** Something is held from now on. @returns the round in which it came */
  start(): number {
    this.#timer ??= this.#clock.timer(this.#periodMs, () => this.#beat(), { ref: false })
    return this.#round
  }

  stop(): void {
    this.#timer?.cancel()
    this.#timer = undefined
  }

  #beat(): void {
    this.#timer = undefined
    this.#round++
    if (this.#onBeat(this.#round)) this.start()
  }
}
