/**
 * A feed that keeps the order of keys among several processes: only the holder of the consumer's lease is served, the others stand by.
 * Before it asks for messages it learns which ones may have been handed out and not settled, by its predecessor or over a link that was
 * lost meanwhile, because newer ones of their keys must wait for them (JS-C8). The server cannot list them, but they lie between what is
 * settled and what was handed out.
 */
import type { Feed } from '../../../src/adapter.js'
import type { StoredMessage } from '../../../src/message.js'
import type { Connection } from '../connect/connection.js'
import { patiently } from '../connect/patience.js'
import { leaseSubject } from '../names.js'
import type { Publisher } from '../publish/publisher.js'
import { scan } from '../read/read.js'
import { findConsumer } from './consumers.js'
import type { JetStreamFeed } from './feed.js'
import { Lease } from './lease.js'

/** A say for whoever has several such feeds. */
export interface Seat {
  /** Whether to be served, now that nobody is. */
  mayServe(): boolean
  /** Nothing more comes, and others wait: hands back what was not passed on to the sink. */
  clear(): Promise<void>
}

/** Perhaps unsettled, among what the consumer has handed out up to a number of its own. */
interface HandedOut {
  readonly messages: readonly StoredMessage[]
  readonly upTo: number
}

const OWN_SEAT: Seat = { mayServe: () => true, clear: async () => {} }

export class OrderedFeed implements Feed {
  readonly #connection: Connection
  readonly #feed: JetStreamFeed
  readonly #seat: Seat
  readonly #lease: Lease
  #isLeaving = false

  constructor(connection: Connection, publisher: Publisher, feed: JetStreamFeed, seat: Seat = OWN_SEAT) {
    this.#connection = connection
    this.#feed = feed
    this.#seat = seat
    const { stream, name } = feed.definition
    this.#lease = new Lease(connection, publisher, leaseSubject(stream, name), {
      mayTake: () => !this.#isLeaving && seat.mayServe(),
      onAcquired: () =>
        void feed.serve(
          () => this.#expectUnsettled(),
          () => this.#lease.isCurrent,
        ),
      onLost: () => void this.#leave(),
    })
  }

  get isServed(): boolean {
    return this.#lease.isHeld
  }

  /** Served, or about to be. */
  get isWanted(): boolean {
    return this.#lease.isWanted
  }

  /** Resolves when it is served or stands by. */
  async start(): Promise<void> {
    await this.#lease.start()
  }

  grant(count: number): void {
    this.#feed.grant(count)
  }

  pending(): number {
    return this.#feed.pending()
  }

  /** Sees at once whether it may be served. */
  look(): void {
    this.#lease.look()
  }

  /** Lets another one be served, and stands by. What the sink holds can still be settled: its keys wait for that over there. */
  async giveUp(): Promise<void> {
    this.#isLeaving = true
    await this.#leave()
    await this.#lease.giveUp()
    this.#isLeaving = false
  }

  async stop(): Promise<void> {
    await this.#feed.stop()
    await this.#seat.clear()
    await this.#lease.release()
  }

  async #leave(): Promise<void> {
    await this.#feed.suspend()
    await this.#seat.clear()
  }

  /** Ends when it is known, or when the lease is lost. */
  async #expectUnsettled(): Promise<void> {
    const isOver = (): boolean => !this.#lease.isHeld || this.#connection.closing.aborted
    const { name } = this.#feed.definition
    const find = (): Promise<HandedOut> => this.#findUnsettled()
    const patience = { withinMs: Number.POSITIVE_INFINITY, alsoIfMissing: true, isOver }
    const found = await patiently(this.#connection, `look at consumer ${name}`, find, patience).catch(() => undefined)
    if (found !== undefined) this.#feed.expect(found.messages, found.upTo)
  }

  async #findUnsettled(): Promise<HandedOut> {
    const { stream, filters, name } = this.#feed.definition
    const info = await findConsumer(this.#connection, stream, name)
    if (info === undefined) return { messages: [], upTo: 0 }
    const { ack_floor: settled, delivered, num_ack_pending: unsettled } = info
    const upTo = delivered.consumer_seq
    if (unsettled === 0) return { messages: [], upTo }
    const [fromSequence, toSequence] = [settled.stream_seq + 1, delivered.stream_seq]
    const handedOut = await scan(this.#connection, { stream, filters, fromSequence, toSequence })
    return { messages: handedOut.filter(({ key }) => key !== undefined), upTo }
  }
}
