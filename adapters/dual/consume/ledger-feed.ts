/**
 * A feed of the inner backend, seen through the ledger: deliveries carry the ledger's positions, and what the ledger has as settled or gone
 * is acknowledged without reaching the bus. Whether a message is settled is asked only where it can be: it comes again (another attempt,
 * marked by the relay), came to the inner backend late, or lies where others have settled. Order is kept: what comes behind a question
 * waits for its answer, and a key for what the inner backend should have brought before (`key-order.ts`).
 */
import type { Adapter, AdapterHost, Delivery, Feed, Sink } from '../../../src/adapter.js'
import { describeThrown } from '../../../src/errors.js'
import type { StoredMessage } from '../../../src/message.js'
import type { ResolvedConsumer } from '../../../src/topology.js'
import type { Database } from '../database/database.js'
import { type Known, known } from '../sql/known.js'
import { notNeeded, type Position } from '../sql/not-needed.js'
import { fromInner, type Stamp, stampOf } from '../stamp.js'
import type { Standing } from './consumers.js'
import { type Gap, KeyOrder } from './key-order.js'
import { LedgerDelivery } from './ledger-delivery.js'

/** A message that did not come from the ledger is put aside for this long. */
const FOREIGN_DELAY_MS = 60_000
const RETRY_MS = 200
/** Looks in an ack wait at least: each keeps what waits here. */
const RETRIES_PER_ACK_WAIT = 3
/** What reached the inner backend so much later than the ledger may come from a process that was stopped meanwhile (PG-L2). */
const LATE_MS = 1000
/** By so much a copy comes later than an attempt is due: the copy that failed is over it by then, so that two processes are not both at it. */
const COPY_MS = 1000

export interface FeedParts {
  readonly database: Database
  readonly inner: Adapter
  readonly host: AdapterHost
  readonly standing: Standing
  readonly definition: ResolvedConsumer
  /** The inner backend seems to have lost messages of the consumer's stream. */
  readonly onMissing: () => void
  readonly onStopped?: (feed: LedgerFeed) => void
}

interface Arrived {
  readonly delivery: LedgerDelivery
  /** The ledger has to be asked whether it is settled. */
  readonly isInDoubt: boolean
  /** The ledger has to be asked what should have come before. */
  readonly gap: Gap | undefined
}

export class LedgerFeed implements Sink, Feed {
  readonly consumer: string
  readonly #parts: FeedParts
  readonly #sink: Sink
  readonly #owed: Set<number>
  /** Only where keys are ordered. */
  readonly #order: KeyOrder | undefined
  /** Arrived, behind a question. */
  #line: Arrived[] = []
  #isAsking = false
  /** Of what failed since the ledger was asked: its answer may be of before. */
  readonly #failedSince = new Set<number>()
  #feed: Feed | undefined
  #granted = 0
  #isStopped = false
  /** Messages of others that are in the inner stream. */
  foreign = 0

  constructor(parts: FeedParts, sink: Sink) {
    this.consumer = parts.definition.name
    this.#parts = parts
    this.#sink = sink
    this.#owed = new Set(parts.standing.owed)
    this.#order = parts.definition.order === 'key' ? this.#keyOrder() : undefined
  }

  /** The inner feed may deliver before it is known here, and may come late. */
  began(feed: Feed): void {
    this.#feed = feed
    if (this.#isStopped) void feed.stop()
    if (this.#granted > 0) feed.grant(this.#granted)
    this.#granted = 0
  }

  // Feed: the bus's side.

  grant(count: number): void {
    if (this.#feed === undefined) this.#granted += count
    else this.#feed.grant(count)
  }

  pending(): number {
    return this.#feed?.pending() ?? 0
  }

  async stop(): Promise<void> {
    this.#isStopped = true
    this.#order?.stop()
    this.#parts.onStopped?.(this)
    await this.#feed?.stop()
    const unheard = this.#line.map(({ delivery }) => delivery.inner)
    this.#line = []
    if (unheard.length > 0) await this.#settle(unheard, 'release')
  }

  /** Attempts at these have failed, and the ledger has counted them. */
  failed(deliveries: readonly LedgerDelivery[]): void {
    if (!this.#isAsking) return
    for (const { consumer, message } of deliveries)
      if (consumer === this.#parts.standing.id) this.#failedSince.add(message.sequence)
  }

  // Sink: the inner backend's side.

  deliver(deliveries: readonly Delivery[]): void {
    const arrived: Arrived[] = []
    const done: Delivery[] = []
    for (const delivery of deliveries) {
      const stamp = stampOf(delivery.message.headers)
      if (stamp === undefined) this.#foreign(delivery)
      else if (this.#isDone(stamp)) done.push(delivery)
      else arrived.push(this.#arrival(delivery, stamp))
    }
    if (done.length > 0) this.#passOver(done)
    if (arrived.length === 0) return
    if (!this.#isAsking && !arrived.some(({ isInDoubt, gap }) => isInDoubt || gap !== undefined))
      return this.#handOut(arrived.map(({ delivery }) => delivery))
    this.#line.push(...arrived)
    if (!this.#isAsking) void this.#ask()
  }

  awaiting(messages: readonly StoredMessage[]): void {
    this.#sink.awaiting(inLedger(messages))
  }

  /** What the inner backend has lost comes again: its key goes on waiting. */
  gone(messages: readonly StoredMessage[]): void {
    void this.#tellGone(inLedger(messages))
  }

  async #tellGone(messages: readonly StoredMessage[]): Promise<void> {
    const positions = messages.map(({ sequence }) => sequence)
    let done: ReadonlySet<number> | undefined
    while (done === undefined && !this.#isStopped) done = await this.#notNeeded(positions)
    const gone = messages.filter(({ sequence }) => done?.has(sequence) === true)
    if (gone.length > 0 && !this.#isStopped) this.#sink.gone(gone)
  }

  /** For sure: the floor only rises, and nothing is added to what is owed. */
  #isDone({ position }: Stamp): boolean {
    return position <= this.#parts.standing.floor && !this.#owed.has(position)
  }

  #arrival(delivery: Delivery, stamp: Stamp): Arrived {
    const { id, highest } = this.#parts.standing
    const isLate = Math.abs(delivery.message.time - stamp.timeMs) > LATE_MS
    const isInDoubt = stamp.isAgain || isLate || delivery.attempt > 1 || stamp.position <= highest
    const message = fromInner(delivery.message, stamp)
    const gap = this.#order?.gapBefore(stamp.position, delivery.message.sequence)
    return { delivery: new LedgerDelivery(message, delivery, id), isInDoubt, gap }
  }

  async #ask(): Promise<void> {
    this.#isAsking = true
    while (this.#line.length > 0 && !this.#isStopped) {
      const line = [...this.#line]
      this.#failedSince.clear()
      const answers = await this.#answers(line)
      if (answers === undefined || this.#isStopped) continue
      this.#line = this.#line.slice(line.length)
      const done: Delivery[] = []
      const due: LedgerDelivery[] = []
      for (const { delivery } of line) {
        const answer = answers.get(delivery)
        if (answer?.is_foreign) this.#foreign(delivery.inner)
        else if (answer?.is_done) done.push(delivery.inner)
        else if (answer === undefined || this.#isDue(delivery, answer)) due.push(delivery)
      }
      this.#passOver(done)
      this.#handOut(due)
    }
    // In the same breath as the last look at the line: nothing can arrive in between.
    this.#isAsking = false
  }

  /** When their keys wait for what should have come before. Of those in doubt. Undefined when nobody could be asked. */
  async #answers(line: readonly Arrived[]): Promise<ReadonlyMap<LedgerDelivery, Known> | undefined> {
    const doubtful = line.filter(({ isInDoubt }) => isInDoubt).map(({ delivery }) => delivery)
    const gaps = line.flatMap(({ gap }) => gap ?? [])
    const arrived = new Set(line.map(({ delivery }) => delivery.message.sequence))
    const isClosed = await this.#asked(async () => this.#order?.close(gaps, arrived).then(() => true) ?? true)
    return isClosed === undefined ? undefined : await this.#known(doubtful)
  }

  async #known(deliveries: readonly LedgerDelivery[]): Promise<ReadonlyMap<LedgerDelivery, Known> | undefined> {
    if (deliveries.length === 0) return new Map()
    const { database, standing } = this.#parts
    const positions = deliveries.map(({ message }) => message.sequence)
    const timesMs = deliveries.map(({ message }) => message.time)
    const statement = known(database.schema, standing.id, positions, timesMs)
    const rows = await this.#asked(() => database.query<Known>('work', statement))
    return rows && new Map(deliveries.flatMap((delivery, at) => (rows[at] ? [[delivery, rows[at]]] : [])))
  }

  async #notNeeded(positions: readonly number[]): Promise<ReadonlySet<number> | undefined> {
    if (positions.length === 0) return new Set()
    const { database, standing } = this.#parts
    const statement = notNeeded(database.schema, standing.id, positions)
    const rows = await this.#asked(() => database.query<Position>('work', statement))
    return rows === undefined ? undefined : new Set(rows.map(({ position }) => Number(position)))
  }

  /** Undefined when the ledger could not be asked; waits a little then. */
  async #asked<Answer>(question: () => Promise<Answer>): Promise<Answer | undefined> {
    const { host, definition } = this.#parts
    try {
      return await question()
    } catch (thrown) {
      const fields = { consumer: this.consumer, error: describeThrown(thrown) }
      host.logger.log('debug', '[dual] nobody can say yet which messages are settled', fields)
      // Waiting here is no attempt that failed.
      void this.#settle(
        this.#line.map(({ delivery }) => delivery.inner),
        'working',
      )
      const retryMs = Math.min(RETRY_MS, definition.ackWaitMs / RETRIES_PER_ACK_WAIT)
      await new Promise<void>((resolve) => void host.clock.timer(retryMs, resolve))
      return undefined
    }
  }

  #handOut(deliveries: readonly LedgerDelivery[]): void {
    if (deliveries.length === 0) return
    this.#sink.deliver(deliveries)
    this.#order?.handedOut(deliveries)
  }

  /**
   * The ledger has counted as many attempts or more: another copy of the message failed, or the inner backend has lost count with its stream.
   * The numbers of a message only rise, and no attempt comes before the backoff of the last one is over. @returns whether it may be handed out
   */
  #isDue(delivery: LedgerDelivery, { attempt, wait_ms }: Known): boolean {
    const isBehind = attempt !== null && delivery.attempt <= attempt
    if (isBehind) delivery.attempt = attempt + 1
    const isDue = !this.#failedSince.has(delivery.message.sequence) && !(isBehind && wait_ms > 0)
    if (!isDue) this.#putAside(delivery.inner, wait_ms + COPY_MS)
    return isDue
  }

  /** Newer messages of their keys may have waited for them: after an attempt whose settlement was recorded, and its answer lost. */
  #passOver(deliveries: readonly Delivery[]): void {
    if (deliveries.length === 0) return
    void this.#settle(deliveries, 'ack')
    this.#sink.gone(inLedger(deliveries.map(({ message }) => message)))
    this.grant(deliveries.length)
  }

  #foreign(delivery: Delivery): void {
    this.foreign++
    this.#putAside(delivery, FOREIGN_DELAY_MS)
  }

  #putAside(delivery: Delivery, delayMs: number): void {
    void this.#settle([delivery], delayMs)
    this.grant(1)
  }

  #keyOrder(): KeyOrder {
    const { database, host, standing, definition, onMissing } = this.#parts
    const { stream, ackWaitMs, maxInFlight, partitions } = definition
    return new KeyOrder({
      isDivided: partitions > 1,
      ...{ database, clock: host.clock, stream, consumer: standing.id, ackWaitMs, onMissing },
      floor: Math.min(standing.floor, ...[...standing.owed].map((position) => position - 1)),
      maxInFlight: maxInFlight / partitions,
      sink: this.#sink,
      onGivenUp: (messages) => {
        const fields = { consumer: this.consumer, messages, maxInFlight }
        host.logger.log('warn', '[dual] keys do not wait any longer for what the inner backend has lost', fields)
      },
    })
  }

  /** @param how or after how many ms it shall come again */
  async #settle(deliveries: readonly Delivery[], how: 'ack' | 'release' | 'working' | number): Promise<void> {
    const { inner, host } = this.#parts
    try {
      await inner.settle(deliveries, typeof how === 'number' ? { kind: 'nak', delayMs: how } : { kind: how })
    } catch (thrown) {
      host.logger.log('debug', '[dual] the inner backend did not take a settlement', { error: describeThrown(thrown) })
    }
  }
}

function inLedger(messages: readonly StoredMessage[]): StoredMessage[] {
  return messages.flatMap((message) => {
    const stamp = stampOf(message.headers)
    return stamp === undefined ? [] : [fromInner(message, stamp)]
  })
}
