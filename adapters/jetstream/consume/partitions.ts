/**
 * One feed over the partitions of a divided consumer: it serves this process's fair share of them, gives up and takes over parts as
 * processes come and go, and hands out in turns what they have at hand. What a part reads is `part.ts`, who is there `members.ts`; that
 * nobody else serves a part at the same time is up to its lease.
 */
import type { ConsumerInfo } from '@nats-io/jetstream'
import type { Feed, Sink } from '../../../src/adapter.js'
import type { Timer } from '../../../src/clock.js'
import type { ResolvedConsumer } from '../../../src/topology.js'
import type { Connection } from '../connect/connection.js'
import type { Publisher } from '../publish/publisher.js'
import type { JetStreamDelivery } from './delivery.js'
import type { FeedParts, JetStreamFeed } from './feed.js'
import { Members } from './members.js'
import { divide, Part, type PartOwner } from './part.js'
import type { Presence } from './presence.js'

/** Rounds of extending what is at hand; one of them may be lost. */
const ROUNDS_PER_ACK_WAIT = 3

export interface PartitionsParts {
  readonly connection: Connection
  readonly publisher: Publisher
  readonly presence: Presence
  /** Of each partition, in order. */
  readonly infos: readonly ConsumerInfo[]
  readonly feedParts: (partition: ResolvedConsumer) => FeedParts
}

export class Partitions implements Feed, PartOwner {
  readonly sink: Sink
  readonly #definition: ResolvedConsumer
  readonly #connection: Connection
  readonly #parts: readonly Part[]
  readonly #members: Members
  /** Granted and not handed out yet. */
  #credit = 0
  /** Whose turn it is. */
  #turn = 0
  #keeping: Timer | undefined
  #balancing: Promise<void> | undefined
  #isStopped = false

  constructor(definition: ResolvedConsumer, sink: Sink, using: PartitionsParts) {
    const { connection, publisher, presence, infos, feedParts } = using
    this.sink = sink
    this.#definition = definition
    this.#connection = connection
    this.#members = new Members(connection, presence, definition.stream, definition.name, () => this.#rebalance())
    this.#parts = divide(definition).flatMap((partition, at) => {
      const info = infos[at]
      return info === undefined ? [] : [new Part(partition, at, info, feedParts(partition), publisher, this)]
    })
  }

  get feeds(): readonly JetStreamFeed[] {
    return this.#parts.map(({ feed }) => feed)
  }

  /** Resolves when this process serves its share, or stands by. */
  async start(): Promise<void> {
    await this.#members.join()
    // Processes that start together begin at different parts, or they would all want the same ones first.
    const { from } = this.#members.share(this.#parts.length)
    const parts = [...this.#parts.slice(from), ...this.#parts.slice(0, from)]
    if (!this.#isStopped) await Promise.all(parts.map((part) => part.start()))
  }

  grant(count: number): void {
    this.#credit += count
    this.#handOut()
  }

  /** An estimate: of what the parts here have not read, their fair share is theirs. 0 only if there is nothing. */
  pending(): number {
    const served = this.#parts.filter(({ isServed }) => isServed)
    const unread = served.reduce((sum, { feed }) => sum + feed.pending(), 0)
    const atHand = served.reduce((sum, part) => sum + part.atHand, 0)
    return Math.ceil(unread / this.#parts.length) + atHand
  }

  /** The others hear first that we leave, so that they may have our parts when these are free. */
  async stop(): Promise<void> {
    this.#isStopped = true
    this.#keeping?.cancel()
    await Promise.all([this.#members.leave(), ...this.#parts.map((part) => part.stop())])
  }

  // PartOwner: what a part asks.

  mayServe(): boolean {
    return !this.#isStopped && this.#excess() < 0
  }

  onArrival(): void {
    this.#handOut()
    this.#keepLater()
  }

  /** In turns, so that no part starves when there is less credit than there are parts. */
  #handOut(): void {
    const deliveries: JetStreamDelivery[] = []
    for (let without = 0; this.#credit > 0 && without < this.#parts.length && !this.#isStopped; ) {
      const next = this.#parts[this.#turn++ % this.#parts.length]?.take()
      without = next === undefined ? without + 1 : 0
      if (next === undefined) continue
      this.#credit--
      deliveries.push(next)
    }
    if (deliveries.length > 0) this.sink.deliver(deliveries)
  }

  #keepLater(): void {
    if (this.#isStopped || this.#parts.every(({ atHand }) => atHand === 0)) return
    const { clock } = this.#connection.host
    this.#keeping ??= clock.timer(this.#definition.ackWaitMs / ROUNDS_PER_ACK_WAIT, () => this.#keep(), { ref: false })
  }

  #keep(): void {
    this.#keeping = undefined
    for (const part of this.#parts) part.keep()
    this.#keepLater()
  }

  /** How many parts more than its share this process serves; negative: fewer. */
  #excess(): number {
    return this.#parts.filter(({ isWanted }) => isWanted).length - this.#members.share(this.#parts.length).count
  }

  #rebalance(): void {
    if (this.#isStopped) return
    if (this.#excess() < 0) for (const part of this.#parts) part.look()
    this.#balancing ??= this.#giveUpExcess().finally(() => (this.#balancing = undefined))
  }

  /** One after the other: the share may grow again meanwhile. */
  async #giveUpExcess(): Promise<void> {
    while (!this.#isStopped && this.#excess() > 0) {
      const part = this.#parts.findLast(({ isServed }) => isServed)
      if (part === undefined) return
      await part.giveUp()
    }
  }
}
