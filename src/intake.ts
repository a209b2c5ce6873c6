/**
 * What a pool holds and has not settled: it adopts redeliveries, keeps the order of keys, tells the backend that the held is alive, and
 * knows when that came too late. It starts nothing.
 */
import type { Delivery } from './adapter.js'
import { type Attempt, Held } from './attempt.js'
import type { Clock } from './clock.js'
import { ReceivedMessage } from './contract.js'
import { Heartbeat } from './heartbeat.js'
import { Lanes } from './lanes.js'
import type { StoredMessage } from './message.js'
import { Ring } from './ring.js'
import type { ResolvedConsumer } from './topology.js'

export class Intake {
  readonly #held = new Map<number, Held>()
  readonly #ready = new Ring<Held>()
  readonly #lanes: Lanes<Held> | undefined
  readonly #heartbeat: Heartbeat
  readonly #extend: (held: readonly Held[]) => void

  /** @param extend tells the backend that these are being worked on */
  constructor(clock: Clock, consumer: ResolvedConsumer, extend: (held: readonly Held[]) => void) {
    this.#lanes = consumer.order === 'key' ? new Lanes() : undefined
    this.#extend = extend
    this.#heartbeat = new Heartbeat(clock, consumer.ackWaitMs, () => this.#beat(clock.monotonic()))
  }

  /** Everything held: ready, behind its key, running, being settled. */
  get size(): number {
    return this.#held.size
  }

  get ready(): number {
    return this.#ready.size
  }

  /** Held behind an earlier message of the same key. */
  get behind(): number {
    return this.#lanes?.waiting ?? 0
  }

  has(sequence: number): boolean {
    return this.#held.has(sequence)
  }

  take(delivery: Delivery): void {
    const { sequence } = delivery.message
    const known = this.#held.get(sequence)
    if (known !== undefined) {
      // Its ack wait passed while we hold it. Starting it again would duplicate it; settling it must name the new delivery.
      known.delivery = delivery
      if (known.running === undefined) known.attempt = delivery.attempt
      return
    }
    this.#heartbeat.start()
    const held = new Held(delivery, new ReceivedMessage(delivery.message))
    this.#held.set(sequence, held)
    this.#makeReady(this.#lanes === undefined ? held : this.#lanes.enter(held))
  }

  /** The running ones among the held, a batch once for each of its messages. */
  *running(): Iterable<Attempt> {
    for (const { running } of this.#held.values()) if (running !== undefined) yield running
  }

  /** The next one to start. */
  next(): Held | undefined {
    return this.#ready.shift()
  }

  /**
   * No beat kept it, because this process was suspended, its event loop blocked or the backend out of reach: by now the backend has given it
   * to somebody (JS-F2).
   * @param now `clock.monotonic()`
   */
  isLate({ delivery }: Held, now: number): boolean {
    return now >= delivery.expiresAt
  }

  /** Gone for good. */
  settled(held: Held): void {
    this.#held.delete(held.message.sequence)
    this.#makeReady(this.#lanes?.leave(held))
  }

  /** Out of our hands, and coming back: its key waits for it. */
  away(held: Held): void {
    this.#held.delete(held.message.sequence)
    this.#makeReady(this.#lanes?.park(held))
  }

  /** Will come, though it was not ours before: its key waits for it. */
  expect(message: StoredMessage): void {
    this.#lanes?.expect(message)
  }

  /** Will not come back after all; and what is held of it must not start. */
  forget(message: StoredMessage): void {
    const held = this.#held.get(message.sequence)
    if (held !== undefined) held.isGone = true
    this.#makeReady(this.#lanes?.forget(message))
  }

  /** Lets go of everything that has not started, and returns it. */
  drain(): Held[] {
    const unstarted = [...this.#ready.drain(), ...(this.#lanes?.drain() ?? [])]
    for (const held of unstarted) this.#held.delete(held.message.sequence)
    return unstarted
  }

  close(): void {
    this.#heartbeat.stop()
  }

  #makeReady(held: Held | undefined): void {
    if (held !== undefined) this.#ready.push(held)
  }

  /** What is late and has not started is not ours to extend. */
  #beat(now: number): boolean {
    const ours = [...this.#held.values()].filter((held) => held.running !== undefined || !this.isLate(held, now))
    if (ours.length > 0) this.#extend(ours)
    return this.#held.size > 0
  }
}
