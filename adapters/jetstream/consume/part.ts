/**
 * One partition of a divided consumer: it reads everything, acknowledges what belongs to other partitions, and has at hand what is its
 * own until there is credit for it. Which of several parts gets the credit is `partitions.ts`.
 */
import type { ConsumerInfo } from '@nats-io/jetstream'
import type { Settlement, Sink } from '../../../src/adapter.js'
import { describeThrown } from '../../../src/errors.js'
import type { StoredMessage } from '../../../src/message.js'
import type { ResolvedConsumer } from '../../../src/topology.js'
import { partName } from '../names.js'
import type { Publisher } from '../publish/publisher.js'
import type { JetStreamDelivery, JetStreamSink } from './delivery.js'
import { type FeedParts, JetStreamFeed } from './feed.js'
import { OrderedFeed } from './ordered-feed.js'

/** Own messages at hand or asked for. They hold up nobody else: only this process serves the part. */
const READ_AHEAD = 32

/** Where the messages of one partition end up. */
export interface PartOwner {
  /** Gets what is not a delivery. */
  readonly sink: Pick<Sink, 'awaiting' | 'gone'>
  /** Whether to serve one more part. */
  mayServe(): boolean
  /** Something is at hand that was not. */
  onArrival(): void
}

/** FNV-1a, 32 bits, over the key in UTF-8; without a key the position decides. Changing this would change who has which keys. */
export function partOf({ key, sequence }: Pick<StoredMessage, 'key' | 'sequence'>, partitions: number): number {
  if (key === undefined) return sequence % partitions
  let hash = 0x811c9dc5
  for (const byte of Buffer.from(key)) hash = Math.imul(hash ^ byte, 0x01000193)
  return (hash >>> 0) % partitions
}

/** The durable consumers of a divided consumer. Together they have no more in flight than it may. */
export function divide(consumer: ResolvedConsumer): readonly ResolvedConsumer[] {
  const { name, partitions } = consumer
  if (partitions === 1) return [consumer]
  const maxInFlight = Math.floor(consumer.maxInFlight / partitions)
  return Array.from({ length: partitions }, (_, at) => ({
    ...consumer,
    name: partName(name, at, partitions),
    maxInFlight,
  }))
}

export class Part implements JetStreamSink {
  readonly feed: JetStreamFeed
  readonly #index: number
  readonly #owner: PartOwner
  readonly #ordered: OrderedFeed
  readonly #parts: FeedParts
  /** By position, the one that came first at the front. */
  readonly #atHand = new Map<number, JetStreamDelivery>()

  /** @param definition one of `divide()`, at that index */
  constructor(
    definition: ResolvedConsumer,
    index: number,
    info: ConsumerInfo,
    parts: FeedParts,
    publisher: Publisher,
    owner: PartOwner,
  ) {
    this.#index = index
    this.#owner = owner
    this.#parts = parts
    this.feed = new JetStreamFeed(definition, this, parts, info)
    const seat = { mayServe: () => owner.mayServe(), clear: () => this.#clear() }
    this.#ordered = new OrderedFeed(parts.connection, publisher, this.feed, seat)
    this.feed.grant(READ_AHEAD)
  }

  get isServed(): boolean {
    return this.#ordered.isServed
  }

  /** Served, or about to be. */
  get isWanted(): boolean {
    return this.#ordered.isWanted
  }

  get atHand(): number {
    return this.#atHand.size
  }

  start(): Promise<void> {
    return this.#ordered.start()
  }

  look(): void {
    this.#ordered.look()
  }

  giveUp(): Promise<void> {
    return this.#ordered.giveUp()
  }

  stop(): Promise<void> {
    return this.#ordered.stop()
  }

  /** The oldest at hand, which is the caller's now. */
  take(): JetStreamDelivery | undefined {
    const now = this.#now()
    for (const [sequence, delivery] of this.#atHand) {
      this.#atHand.delete(sequence)
      this.feed.grant(1)
      if (now < delivery.expiresAt) return delivery
      // Nobody kept it, because this process was suspended: by now it may be somebody else's.
      void this.#settle([delivery], { kind: 'release' })
    }
    return undefined
  }

  /** Keeps what is at hand from expiring. */
  keep(): void {
    void this.#settle([...this.#atHand.values()], { kind: 'working' })
  }

  // The feed's side.

  deliver(deliveries: readonly JetStreamDelivery[]): void {
    const others = deliveries.filter(({ message }) => !this.#isOurs(message))
    void this.#settle(others, { kind: 'ack' })
    let free = others.length
    for (const delivery of deliveries) {
      const { sequence } = delivery.message
      if (!this.#isOurs(delivery.message)) continue
      // Handed out again although it is here: only the newer one can be extended.
      if (this.#atHand.has(sequence)) free++
      this.#atHand.set(sequence, delivery)
    }
    if (free > 0) this.feed.grant(free)
    if (others.length < deliveries.length) this.#owner.onArrival()
  }

  awaiting(messages: readonly StoredMessage[]): void {
    this.#owner.sink.awaiting(messages.filter((message) => this.#isOurs(message)))
  }

  gone(messages: readonly StoredMessage[]): void {
    for (const { sequence } of messages) if (this.#atHand.delete(sequence)) this.feed.grant(1)
    this.#owner.sink.gone(messages.filter((message) => this.#isOurs(message)))
  }

  async #clear(): Promise<void> {
    const deliveries = [...this.#atHand.values()]
    this.#atHand.clear()
    this.feed.grant(deliveries.length)
    await this.#settle(deliveries, { kind: 'release' })
  }

  /** What cannot be said now shows as a redelivery. */
  async #settle(deliveries: readonly JetStreamDelivery[], settlement: Settlement): Promise<void> {
    if (deliveries.length === 0) return
    try {
      await this.feed.settle(deliveries, settlement)
    } catch (thrown) {
      const fields = { consumer: this.feed.definition.name, error: describeThrown(thrown) }
      this.#parts.connection.host.logger.log('debug', 'a partition cannot settle', fields)
    }
  }

  #isOurs(message: StoredMessage): boolean {
    return partOf(message, this.feed.definition.partitions) === this.#index
  }

  #now(): number {
    return this.#parts.connection.host.clock.monotonic()
  }
}
