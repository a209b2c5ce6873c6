/**
 * A durable consumer of the toy adapter: where it is in its stream, what it has handed out, and to which feed.
 *
 *   stream -- cursor --> out --- ack, term ---> settled
 *                         | ^
 *   nak, ack wait passed  | |  credit
 *                         v |
 *                       waiting --- retention took it ---> gone
 */
import type { ConsumerReport, Delivery, Feed, Settlement, Sink } from '../../src/adapter.js'
import type { Clock } from '../../src/clock.js'
import { type Due, DueQueue } from '../../src/due-queue.js'
import type { StoredMessage } from '../../src/message.js'
import type { ResolvedConsumer } from '../../src/topology.js'
import type { StreamListener, ToyStream } from './toy-server.js'

interface Held extends Due {
  readonly message: StoredMessage
  attempt: number
  /** The newest delivery, while it is out. */
  out: ToyDelivery | undefined
}

export interface ToyDelivery extends Delivery {
  readonly consumer: ToyConsumer
  readonly feed: ToyFeed
  expiresAt: number
}

interface ToyFeed {
  readonly sink: Sink
  credit: number
}

export class ToyConsumer implements StreamListener {
  readonly definition: ResolvedConsumer
  readonly #stream: ToyStream
  readonly #clock: Clock
  /** By sequence: everything handed out and not settled. */
  readonly #held = new Map<number, Held>()
  #ready: Held[] = []
  /** The first is served next; with `order: 'key'` it is the only one served. */
  readonly #feeds: ToyFeed[] = []
  readonly #due: DueQueue<Held>
  #cursor: number
  #pumping = false

  constructor(definition: ResolvedConsumer, stream: ToyStream, clock: Clock) {
    this.definition = definition
    this.#stream = stream
    this.#clock = clock
    this.#due = new DueQueue(clock, (held) => this.#bringBack(held))
    this.#cursor = stream.start(definition.from, definition.filters)
    stream.listeners.add(this)
  }

  attach(sink: Sink): Feed {
    const feed: ToyFeed = { sink, credit: 0 }
    this.#feeds.push(feed)
    if (this.#feeds.length === 1) this.#takeOver(feed)
    return {
      grant: (count) => {
        feed.credit += count
        this.#pump()
      },
      pending: () => this.#pending(),
      stop: async () => this.#detach(feed),
    }
  }

  settle(delivery: ToyDelivery, settlement: Settlement): void {
    const held = this.#held.get(delivery.message.sequence)
    if (held === undefined) return
    if (settlement.kind === 'ack' || settlement.kind === 'term') {
      this.#forget(held, delivery.feed)
    } else if (held.out === delivery) {
      this.#giveBack(held, settlement)
    }
    this.#pump()
  }

  #giveBack(held: Held, settlement: Exclude<Settlement, { kind: 'ack' | 'term' }>): void {
    if (settlement.kind === 'release') held.attempt--
    if (settlement.kind !== 'working') held.out = undefined
    if (settlement.kind === 'release') this.#bringBack(held)
    else this.#wait(held, settlement.kind === 'nak' ? settlement.delayMs : this.definition.ackWaitMs)
  }

  /** Retention took the message. One that a handler has may still be acknowledged. */
  removed(message: StoredMessage): void {
    const held = this.#held.get(message.sequence)
    if (held !== undefined && held.out === undefined) this.#forget(held)
  }

  #pending(): number {
    let count = 0
    let message = this.#stream.next(this.#cursor, this.definition.filters)
    for (; message !== undefined; message = this.#stream.next(message.sequence + 1, this.definition.filters)) count++
    return count
  }

  report(): ConsumerReport {
    const { name, stream } = this.definition
    const waiting = [...this.#held.values()].filter((held) => held.out === undefined).length
    return { name, stream, pending: this.#pending(), inFlight: this.#held.size, waiting, feeds: this.#feeds.length }
  }

  stored(): void {
    this.#pump()
  }

  /** Hands out soon, in a turn of its own: a sink may grant and settle from within `deliver`. */
  #pump(): void {
    if (this.#pumping) return
    this.#pumping = true
    this.#clock.defer(() => {
      this.#pumping = false
      this.#stream.expire()
      for (let feed = this.#served(); feed !== undefined; feed = this.#served()) {
        const held = this.#next()
        if (held === undefined) return
        this.#handOut(held, feed)
      }
    })
  }

  #served(): ToyFeed | undefined {
    const candidates = this.definition.order === 'key' ? this.#feeds.slice(0, 1) : this.#feeds
    return candidates.find((feed) => feed.credit > 0)
  }

  #next(): Held | undefined {
    const again = this.#ready.shift()
    if (again !== undefined || this.#held.size >= this.definition.maxInFlight) return again
    const message = this.#stream.next(this.#cursor, this.definition.filters)
    if (message === undefined) return undefined
    this.#cursor = message.sequence + 1
    const held: Held = { message, attempt: 0, out: undefined, dueAt: 0, dueSlot: -1, dueOrder: 0 }
    this.#held.set(message.sequence, held)
    return held
  }

  #handOut(held: Held, feed: ToyFeed): void {
    const attempt = ++held.attempt
    const delivery: ToyDelivery = { message: held.message, attempt, consumer: this, feed, expiresAt: 0 }
    held.out = delivery
    feed.credit--
    if (this.definition.order === 'none') this.#feeds.push(...this.#feeds.splice(this.#feeds.indexOf(feed), 1))
    this.#wait(held, this.definition.ackWaitMs)
    feed.sink.deliver([delivery])
  }

  #wait(held: Held, ms: number): void {
    const endsAt = this.#clock.monotonic() + ms
    if (held.out !== undefined) held.out.expiresAt = endsAt
    this.#due.add(held, endsAt)
  }

  /** Its wait is over, or it was given back: it is handed out again, the lowest sequence first. */
  #bringBack(held: Held): void {
    this.#due.remove(held)
    held.out = undefined
    if (this.#stream.messages.has(held.message.sequence)) {
      this.#ready = [...this.#ready, held].sort((a, b) => a.message.sequence - b.message.sequence)
      this.#pump()
    } else {
      this.#forget(held)
    }
  }

  /** @param by the feed that settled it, and so knows */
  #forget(held: Held, by?: ToyFeed): void {
    this.#due.remove(held)
    this.#held.delete(held.message.sequence)
    this.#ready = this.#ready.filter((other) => other !== held)
    for (const feed of this.#feeds) if (feed !== by) feed.sink.gone([held.message])
  }

  #detach(feed: ToyFeed): void {
    const at = this.#feeds.indexOf(feed)
    if (at < 0) return
    this.#feeds.splice(at, 1)
    const first = this.#feeds[0]
    if (at === 0 && first !== undefined) this.#takeOver(first)
    this.#pump()
  }

  /** A feed that keeps the order must know what an earlier one left behind. */
  #takeOver(feed: ToyFeed): void {
    if (this.definition.order !== 'key' || this.#held.size === 0) return
    feed.sink.awaiting([...this.#held.values()].map((held) => held.message))
  }
}
