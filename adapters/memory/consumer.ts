/**
 * One durable consumer: where it stands, what is out, what comes back. It shares its messages among the feeds attached to it, or serves
 * one of them at a time when it keeps the order of keys.
 *
 *   not handed out --(cursor)--> held --- ack, term ---> settled
 *                                 |  ^
 *        nak, release, ack wait   v  | (cursor: returned ones first, lowest sequence first)
 *                              waiting
 */
import type { ConsumerReport, Delivery, Settlement, Sink } from '../../src/adapter.js'
import type { Clock } from '../../src/clock.js'
import { Deadlines, type Expiring } from '../../src/deadlines.js'
import { type Due, DueQueue } from '../../src/due-queue.js'
import type { StoredMessage } from '../../src/message.js'
import type { ResolvedConsumer } from '../../src/topology.js'
import { Cursor } from './cursor.js'
import { MemoryFeed } from './feed.js'
import type { MemoryStream } from './stream.js'

/**
 * One hand-out of a message, and where the message stands while it is the newest one. An older hand-out of the same message can still
 * settle it for good, and nothing else (as on JetStream). While held its ack wait runs, while waiting its delay; at the end of either the
 * message may be handed out again.
 */
export class MemoryDelivery implements Delivery, Due, Expiring {
  readonly message: StoredMessage
  readonly consumer: MemoryConsumer
  readonly attempt: number
  readonly feed: MemoryFeed
  isHeld = true
  /** Attempts that count so far: this one, unless it was released. */
  attempts: number
  /** The stream dropped the message: it will not be delivered again. */
  isRemoved = false
  dueAt = 0
  dueSlot = -1
  dueOrder = 0
  expiresAt = 0
  expiresBefore: Expiring | undefined = undefined
  expiresAfter: Expiring | undefined = undefined

  constructor(message: StoredMessage, attempt: number, consumer: MemoryConsumer, feed: MemoryFeed) {
    this.message = message
    this.attempt = attempt
    this.attempts = attempt
    this.consumer = consumer
    this.feed = feed
  }
}

/** Handed out in one turn of the event loop at most. Large enough to spread the cost of a turn, small enough to keep timers prompt. */
const TURN_BUDGET = 1024

export class MemoryConsumer {
  readonly definition: ResolvedConsumer
  readonly #stream: MemoryStream
  readonly #clock: Clock
  readonly #cursor: Cursor
  readonly #out = new Map<number, MemoryDelivery>()
  readonly #returned = new Returned()
  readonly #ackWaits: Deadlines<MemoryDelivery>
  readonly #delays: DueQueue<MemoryDelivery>
  readonly #feeds: MemoryFeed[] = []
  #turn = 0
  #isAwake = false
  /** Messages that may still be handed out in this turn of the event loop. */
  #budget = 0

  constructor(definition: ResolvedConsumer, stream: MemoryStream, clock: Clock) {
    this.definition = definition
    this.#stream = stream
    this.#clock = clock
    this.#cursor = new Cursor(definition, stream.log, clock, () => this.wake())
    this.#ackWaits = new Deadlines<MemoryDelivery>(clock, definition.ackWaitMs, (out) => this.#putBack(out, 0))
    this.#delays = new DueQueue<MemoryDelivery>(clock, (out) => this.#putBack(out, 0))
  }

  // Feeds.

  attach(sink: Sink): MemoryFeed {
    const feed = new MemoryFeed(this, sink)
    this.#feeds.push(feed)
    if (this.#feeds.length === 1) this.#announce(feed)
    return feed
  }

  /** What the feed holds can still be settled; otherwise it comes back after its ack wait. */
  detach(feed: MemoryFeed): void {
    const at = this.#feeds.indexOf(feed)
    if (at < 0) return
    this.#feeds.splice(at, 1)
    const successor = this.#feeds[0]
    if (at === 0 && successor !== undefined) this.#announce(successor)
    this.wake()
  }

  /** With order by key, the feed that is served next must know which keys wait for messages that others left unsettled. */
  #announce(feed: MemoryFeed): void {
    if (!this.#isOrdered) return
    const keyed = [...this.#out.values()].map((out) => out.message).filter((message) => message.key !== undefined)
    if (keyed.length > 0) feed.sink.awaiting(keyed)
  }

  // The stream's side.

  get pending(): number {
    return this.#cursor.pending
  }

  matches(subject: string): boolean {
    return this.#cursor.matches(subject)
  }

  /** Whether the message is to be handed out, or is out and not settled. */
  needs(message: StoredMessage): boolean {
    return this.#out.has(message.sequence) || (this.matches(message.subject) && this.#cursor.isAhead(message.sequence))
  }

  arrived(message: StoredMessage): void {
    this.#cursor.arrived(message)
    if (this.#feeds.length > 0) this.wake()
  }

  removed(message: StoredMessage): void {
    this.#cursor.removed(message)
    const out = this.#out.get(message.sequence)
    if (out === undefined) return
    if (out.isHeld) out.isRemoved = true
    else this.#drop(out)
  }

  // Handing out.

  /** Hands out in a turn of its own, so that no handler starts inside a publish or a settlement, and timers and I/O get their turn. */
  wake(): void {
    if (!this.#isAwake) this.#wakeUp()
  }

  /** Apart, because what a closure captures is allocated at each call of its function, and `wake` is called for each message. */
  #wakeUp(): void {
    this.#isAwake = true
    this.#clock.defer(() => {
      this.#isAwake = false
      this.#budget = TURN_BUDGET
      this.#handOut()
    })
  }

  /** More room in a feed: goes on within the turn while its budget lasts. */
  granted(): void {
    if (this.#isAwake) return
    if (this.#budget <= 0) return this.wake()
    this.#isAwake = true
    queueMicrotask(() => {
      this.#isAwake = false
      this.#handOut()
    })
  }

  #handOut(): void {
    const now = this.#clock.monotonic()
    const batches = new Map<MemoryFeed, MemoryDelivery[]>()
    for (let feed = this.#nextFeed(); feed !== undefined; feed = this.#nextFeed()) {
      const returned = this.#returned.take()
      const message = returned?.message ?? this.#takeNew()
      if (message === undefined) break
      const delivery = new MemoryDelivery(message, (returned?.attempts ?? 0) + 1, this, feed)
      this.#out.set(message.sequence, delivery)
      this.#ackWaits.add(delivery, now)
      feed.credit--
      this.#budget--
      const batch = batches.get(feed)
      if (batch === undefined) batches.set(feed, [delivery])
      else batch.push(delivery)
    }
    for (const [feed, deliveries] of batches) feed.sink.deliver(deliveries)
  }

  /** In turn, among those with credit; with order by key only the first. */
  #nextFeed(): MemoryFeed | undefined {
    if (this.#isOrdered) return this.#feeds[0] !== undefined && this.#feeds[0].credit > 0 ? this.#feeds[0] : undefined
    for (let tried = 0; tried < this.#feeds.length; tried++) {
      const feed = this.#feeds[this.#turn++ % this.#feeds.length]
      if (feed !== undefined && feed.credit > 0) return feed
    }
    return undefined
  }

  #takeNew(): StoredMessage | undefined {
    return this.#out.size < this.definition.maxInFlight ? this.#cursor.take() : undefined
  }

  // Settling.

  settle(delivery: MemoryDelivery, settlement: Settlement): void {
    const out = this.#out.get(delivery.message.sequence)
    if (out === undefined) return
    if (settlement.kind === 'ack' || settlement.kind === 'term') return this.#settleForGood(out, delivery.feed)
    if (out !== delivery || !out.isHeld) return
    if (settlement.kind === 'working') return this.#ackWaits.add(out, this.#clock.monotonic())
    if (settlement.kind === 'release') out.attempts--
    this.#putBack(out, settlement.kind === 'nak' ? settlement.delayMs : 0)
  }

  #settleForGood(out: MemoryDelivery, by: MemoryFeed): void {
    this.#forget(out)
    // Only a message that came back, or one that a key waits for, is known to a feed other than the one that settles it.
    if (this.#isOrdered || out.attempts > 1) this.#tellGone(out.message, by)
    this.#stream.settled(out.message)
    if (this.#out.size === this.definition.maxInFlight - 1) this.wake()
  }

  #putBack(out: MemoryDelivery, delayMs: number): void {
    if (out.isRemoved) return this.#drop(out)
    out.isHeld = false
    this.#ackWaits.remove(out)
    if (delayMs > 0) return this.#delays.add(out, this.#clock.monotonic() + delayMs)
    this.#returned.add(out)
    this.wake()
  }

  /** Retention took the message while it was on its way back. */
  #drop(out: MemoryDelivery): void {
    this.#forget(out)
    this.#tellGone(out.message, undefined)
    if (this.#out.size === this.definition.maxInFlight - 1) this.wake()
  }

  #forget(out: MemoryDelivery): void {
    this.#out.delete(out.message.sequence)
    this.#ackWaits.remove(out)
    this.#delays.remove(out)
    this.#returned.remove(out)
  }

  #tellGone(message: StoredMessage, except: MemoryFeed | undefined): void {
    const others = this.#feeds.filter((feed) => feed !== except)
    if (others.length === 0) return
    this.#clock.defer(() => {
      for (const feed of others) feed.sink.gone([message])
    })
  }

  get #isOrdered(): boolean {
    return this.definition.order === 'key'
  }

  report(): ConsumerReport {
    const { name, stream } = this.definition
    const waiting = [...this.#out.values()].filter((out) => !out.isHeld).length
    return { name, stream, pending: this.pending, inFlight: this.#out.size, waiting, feeds: this.#feeds.length }
  }

  close(): void {
    this.#ackWaits.clear()
    this.#delays.clear()
    this.#cursor.close()
    this.#feeds.length = 0
  }
}

/** Messages that may be delivered again now, lowest sequence first. */
class Returned {
  readonly #waiting = new Set<MemoryDelivery>()
  /** Highest first, so that taking is a `pop`; sorted when something was added. */
  #sorted: MemoryDelivery[] = []
  #isSorted = true

  add(out: MemoryDelivery): void {
    this.#waiting.add(out)
    this.#sorted.push(out)
    this.#isSorted = false
  }

  remove(out: MemoryDelivery): void {
    this.#waiting.delete(out)
  }

  take(): MemoryDelivery | undefined {
    if (!this.#isSorted) this.#sorted.sort((a, b) => b.message.sequence - a.message.sequence)
    this.#isSorted = true
    for (let out = this.#sorted.pop(); out !== undefined; out = this.#sorted.pop()) {
      if (this.#waiting.delete(out)) return out
    }
    return undefined
  }
}
