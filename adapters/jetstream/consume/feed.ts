/**
 * The deliveries of one consumer to one sink: which attempt each of them is, what is held, what is away and coming back, and what will
 * not come back after all. Asking for messages is `pull.ts`; who of several feeds is served when keys are ordered is `ordered-feed.ts`.
 *
 *   (server) -- delivery --> held -- ack, term --> settled
 *                  ^           | nak, release
 *                  |           v
 *                  +--------- away -- settled elsewhere, or removed --> gone
 */
import type { ConsumerInfo, StreamInfo } from '@nats-io/jetstream'
import type { Msg } from '@nats-io/transport-node'
import type { Feed, Settlement } from '../../../src/adapter.js'
import type { Timer } from '../../../src/clock.js'
import { describeThrown } from '../../../src/errors.js'
import type { StoredMessage } from '../../../src/message.js'
import type { ResolvedConsumer } from '../../../src/topology.js'
import type { Connection } from '../connect/connection.js'
import { soon } from '../connect/patience.js'
import { isMissing } from '../failure.js'
import { Arrivals } from './arrivals.js'
import { Away } from './away.js'
import { bringBack, makeAnew } from './consumers.js'
import { ACK, type Arrival, JetStreamDelivery, type JetStreamSink, nak, term, WORKING } from './delivery.js'
import type { Handbacks } from './handbacks.js'
import { type Earlier, earlierOf, Held } from './held.js'
import { Origin } from './origin.js'
import type { Outbound } from './outbound.js'
import { Pull } from './pull.js'

/** A look at the consumer on the server: seldom while all is well, often while something is away. */
const [LOOK_MS, LOOK_AWAY_MS] = [5000, 500]
/** The figure of what is pending may be that old; asking for it asks for a newer one. */
const PENDING_FRESH_MS = 100

export interface FeedParts {
  readonly connection: Connection
  readonly outbound: Outbound
  readonly handbacks: Handbacks
  /** The stream as it was found. */
  readonly stream: StreamInfo
}

export class JetStreamFeed implements Feed {
  readonly definition: ResolvedConsumer
  readonly #sink: JetStreamSink
  readonly #parts: FeedParts
  readonly #pull: Pull
  readonly #held = new Held()
  readonly #away: Away
  readonly #stopListening: () => void
  readonly #arrivals: Arrivals
  #pending: number
  #pendingAt: number
  readonly origin: Origin
  #asking: Promise<unknown> | undefined
  #look: Timer | undefined
  #lookMs = LOOK_MS
  #isServed = false
  #isStopped = false
  #isMaking = false
  #prepare: () => Promise<unknown> = async () => {}
  #isEntitled = (): boolean => true
  #round = 0

  /** @param info the consumer as the server has it */
  constructor(definition: ResolvedConsumer, sink: JetStreamSink, parts: FeedParts, info: ConsumerInfo) {
    this.definition = definition
    this.#sink = sink
    this.#parts = parts
    this.#away = new Away(parts.connection)
    this.#pending = info.num_pending
    this.#pendingAt = this.#now()
    this.origin = new Origin(parts.connection, parts.stream.created, info)
    this.#arrivals = new Arrivals({
      take: (arrived, since) => this.#handOut(arrived, since),
      account: () => this.#prepare(),
    })
    const listener = {
      onMessage: (message: Msg, since: number) => this.#arrivals.receive(message, since),
      onDoubt: () => void this.#verify(),
      onSilence: () => void this.#begin(true),
    }
    this.#pull = new Pull(parts.connection, listener, definition, parts.stream.config.max_msg_size)
    this.#stopListening = parts.connection.onConnected(() => void this.#reconnected())
  }

  /** Failed or handed back here, and not seen again. */
  get waiting(): number {
    return this.#away.size
  }

  /** Why nothing comes although something was asked for; empty while all is well (JS-C6). */
  get idleReason(): string {
    return this.#pull.idleReason
  }

  grant(count: number): void {
    this.#pull.grant(count)
  }

  pending(): number {
    const isFresh = this.#now() - this.#pendingAt <= PENDING_FRESH_MS
    if (!isFresh) this.#asking ??= this.#askInfo().finally(() => (this.#asking = undefined))
    return this.#pending
  }

  async stop(): Promise<void> {
    this.#isStopped = true
    this.#stopListening()
    this.#look?.cancel()
    await this.suspend()
    this.#pull.close()
  }

  /**
   * Asks for messages from now on.
   * @param prepare comes before anything is asked for, now and whenever hand-outs may have been lost on their way
   * @param isEntitled asked before anything is handed out: who is not entitled any more hands it back
   */
  async serve(prepare = this.#prepare, isEntitled = this.#isEntitled): Promise<void> {
    if (this.#isStopped) return
    this.#isServed = true
    this.#prepare = prepare
    this.#isEntitled = isEntitled
    await this.#begin()
    this.#lookLater()
  }

  /** Asks for nothing more. What is on its way is handed back. */
  async suspend(): Promise<void> {
    // What came before took its credit; what comes from now on leaves it.
    if (!this.#isStopped) this.#arrivals.flush()
    this.#isServed = false
    await this.#pull.pause()
  }

  /** The last call wins: an earlier one waits for answers that cannot come any more. @param isDoubtful extensions may have been lost */
  async #begin(isDoubtful = false): Promise<void> {
    const round = ++this.#round
    if (isDoubtful) this.#held.forgetExtensions()
    if (this.#isServed) await this.#prepare()
    if (this.#isServed && round === this.#round) this.#pull.resume()
  }

  /** Messages that an earlier feed left unsettled: their keys wait for them. @param upTo how many were handed out by then */
  expect(messages: readonly StoredMessage[], upTo: number): void {
    this.#arrivals.isKnown(upTo)
    const strange = this.#away.expect(messages.filter(({ sequence }) => !this.#held.has(sequence)))
    if (strange.length > 0) this.#sink.awaiting(strange)
    this.#lookLater()
  }

  // Arrivals.

  #handOut(arrived: readonly Arrival[], since: number): void {
    const [expiresAt, now] = [since + this.definition.ackWaitMs, this.#now()]
    const deliveries: JetStreamDelivery[] = []
    for (const arrival of arrived) {
      this.#held.arrived(arrival, now)
      const earlier = earlierOf(arrival, this.#held, this.#away)
      if (earlier === undefined) void this.#handOutStrange(arrival, expiresAt)
      else deliveries.push(this.#hold(arrival, earlier, expiresAt))
    }
    this.#pending = arrived.at(-1)?.pending ?? this.#pending
    this.#pendingAt = now
    this.#deliver(deliveries)
  }

  /** Redelivered, and handed out last by somebody else. */
  async #handOutStrange(arrival: Arrival, expiresAt: number): Promise<void> {
    const wasServed = this.#isServed
    const released = await this.#parts.handbacks.count(arrival.message)
    if (wasServed && !this.#isServed) this.#pull.grant(1)
    const attempts = Math.max(0, arrival.count - 1 - released)
    this.#deliver([this.#hold(arrival, { attempts, isOurs: false }, expiresAt)])
  }

  #hold(arrival: Arrival, earlier: Earlier, expiresAt: number): JetStreamDelivery {
    const delivery = new JetStreamDelivery(arrival, earlier, this, expiresAt)
    this.#away.delete(arrival.message.sequence)
    this.#held.add(delivery)
    return delivery
  }

  #deliver(deliveries: readonly JetStreamDelivery[]): void {
    if (deliveries.length === 0) return
    if (this.#isServed && this.#isEntitled()) return this.#sink.deliver(deliveries)
    if (this.#isServed) this.#pull.grant(deliveries.length)
    this.#release(deliveries).catch((thrown: unknown) => this.#log('a hand-back failed', thrown))
  }

  settle(deliveries: readonly JetStreamDelivery[], settlement: Settlement): void | Promise<void> {
    const ours = deliveries.filter(({ origin }) => origin === this.origin.created)
    if (settlement.kind === 'ack') return this.#settleForGood(ours, ACK)
    if (settlement.kind === 'term') return this.#settleForGood(ours, term(settlement.reason))
    const current = ours.filter((delivery) => this.#isCurrent(delivery))
    if (settlement.kind === 'working') return this.#extend(current)
    if (settlement.kind === 'release') return this.#release(current)
    for (const delivery of current) this.#handBack(delivery, nak(settlement.delayMs), delivery.attempt)
  }

  #settleForGood(deliveries: readonly JetStreamDelivery[], bytes: Uint8Array): void {
    for (const delivery of deliveries) {
      if (delivery.isSettled) continue
      delivery.isSettled = true
      this.#held.delete(delivery.message.sequence)
      this.#away.delete(delivery.message.sequence)
      this.#parts.outbound.send(delivery, bytes, true)
      if (delivery.count > delivery.attempt) this.#parts.handbacks.forget(delivery.message)
    }
  }

  /** Whether the delivery is still the message's newest, as far as can be known here. */
  #isCurrent(delivery: JetStreamDelivery): boolean {
    return !delivery.isSettled && this.#held.get(delivery.message.sequence) === delivery
  }

  /** Counts what the server has heard in time: later, somebody else may have been handed the message before (JS-S11). */
  async #extend(deliveries: readonly JetStreamDelivery[]): Promise<void> {
    const { ackWaitMs } = this.definition
    const expiresAt = this.#now() + ackWaitMs
    const ours = deliveries.filter((delivery) => !this.#isLate(delivery))
    await this.#parts.outbound.confirm(ours, WORKING, ackWaitMs)
    for (const delivery of ours) if (!this.#isLate(delivery)) delivery.expiresAt = expiresAt
  }

  /** Recorded first: whoever gets it next must find it (JS-S4). Who has got a late one by itself has looked before, and counts from that. */
  async #release(deliveries: readonly JetStreamDelivery[]): Promise<void> {
    const ours = deliveries.filter((delivery) => !this.#isLate(delivery))
    await Promise.all(ours.map((delivery) => this.#parts.handbacks.record(delivery)))
    for (const delivery of deliveries) {
      if (this.#isCurrent(delivery)) this.#handBack(delivery, nak(0), delivery.attempt - 1)
    }
  }

  #handBack(delivery: JetStreamDelivery, bytes: Uint8Array, attempts: number): void {
    const { message, count, isOurs } = delivery
    delivery.isSettled = true
    if (!this.#isLate(delivery)) this.#parts.outbound.send(delivery, bytes, false)
    this.#held.delete(message.sequence)
    this.#away.add({ message, count, attempts, isOurs })
    this.#lookLater()
  }

  /** Its ack wait has passed: the server hands it to somebody by itself, and a nak would take it from them. */
  #isLate(delivery: JetStreamDelivery): boolean {
    return this.#now() >= delivery.expiresAt
  }

  // Looking at the server: what does not come back, and whether the consumer still is what it was.

  /** The consumer as the server has it now; undefined when it cannot be asked. */
  async #askInfo(): Promise<ConsumerInfo | undefined> {
    const { connection } = this.#parts
    const [askedAt, last] = [this.#now(), this.#held.last]
    if (!connection.isConnected) return undefined
    try {
      const info = await connection.jsm.consumers.info(this.definition.stream, this.definition.name)
      if (await this.origin.hasChanged(info)) this.#startOver()
      this.origin.observe(info)
      this.#held.letGo(info.delivered.consumer_seq, last, this.#now())
      // What arrived meanwhile knows better.
      if (this.#pendingAt <= askedAt) this.#pending = info.num_pending
      this.#pendingAt = Math.max(this.#pendingAt, askedAt)
      return info
    } catch (thrown) {
      if (isMissing(thrown)) await this.#makeAnew()
      return undefined
    }
  }

  #lookLater(): void {
    if (this.#isStopped) return
    const lookMs = this.#away.size > 0 ? LOOK_AWAY_MS : LOOK_MS
    if (this.#look !== undefined && lookMs >= this.#lookMs) return
    this.#look?.cancel()
    this.#lookMs = lookMs
    const look = this.#parts.connection.host.clock.timer(lookMs, () => void this.#lookNow(look), { ref: false })
    this.#look = look
  }

  async #lookNow(look: Timer): Promise<void> {
    await this.#verify()
    if (this.#look === look) this.#look = undefined
    this.#lookLater()
  }

  async #verify(): Promise<void> {
    if (this.#isStopped || this.#parts.connection.closing.aborted) return
    try {
      // What the server must count as unsettled if nobody else has touched it.
      const before = this.#away.size === 0 ? [] : [...this.#held.values(), ...this.#away.returned()]
      const info = await this.#askInfo()
      if (info === undefined || this.#isStopped) return
      const known = before.filter(({ message }) => this.#isUnsettled(message.sequence))
      const gone = await this.#away.findGone(info, known)
      if (gone.length > 0) this.#sink.gone(gone)
      if (info.num_pending > 0) return
      if ((await bringBack(this.#parts.connection, this.definition, info)) !== undefined) this.#renew()
    } catch (thrown) {
      this.#log('the consumer cannot be looked at', thrown)
    }
  }

  #isUnsettled(sequence: number): boolean {
    return this.#held.has(sequence) || this.#away.get(sequence)?.count !== undefined
  }

  /** Requests of the lost connection are not served any more, and the server may have come back with less than it had. */
  async #reconnected(): Promise<void> {
    this.#pull.drop()
    this.#held.forgetExtensions()
    // Before anything is asked for, its numbers tell what it has forgotten.
    if (this.#held.size > 0) await soon(this.#parts.connection, 'consumer', this.#askInfo()).catch(() => {})
    this.#renew()
    await this.#verify()
  }

  #renew(): void {
    this.#pull.drop()
    void this.#begin()
  }

  async #makeAnew(): Promise<void> {
    if (this.#isStopped || this.#isMaking) return
    this.#isMaking = true
    const making = makeAnew(this.#parts.connection, this.definition, this.origin)
    const created = await making.finally(() => (this.#isMaking = false))
    if (created === undefined) return
    if (this.origin.isAnother(created)) this.#startOver()
    this.#renew()
  }

  /** The messages of the old stream will not come back; what is held of it can still be handled. */
  #startOver(): void {
    this.#held.clear()
    const lost = this.#away.clear()
    if (lost.length > 0) this.#sink.gone(lost)
  }

  #now(): number {
    return this.#parts.connection.host.clock.monotonic()
  }

  #log(message: string, thrown: unknown): void {
    const { name: consumer, stream } = this.definition
    this.#parts.connection.host.logger.log('warn', message, { consumer, stream, error: describeThrown(thrown) })
  }
}
