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

export class OrderedFeed implements Feed {
  readonly #connection: Connection
  readonly #feed: JetStreamFeed
  readonly #lease: Lease

  constructor(connection: Connection, publisher: Publisher, feed: JetStreamFeed) {
    this.#connection = connection
    this.#feed = feed
    const { stream, name } = feed.definition
    this.#lease = new Lease(connection, publisher, leaseSubject(stream, name), {
      onAcquired: () => void feed.serve(() => this.#expectUnsettled()),
      onLost: () => void feed.suspend(),
    })
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

  async stop(): Promise<void> {
    await this.#feed.stop()
    await this.#lease.release()
  }

  /** Ends when it is known, or when the lease is lost. */
  async #expectUnsettled(): Promise<void> {
    const isOver = (): boolean => !this.#lease.isHeld || this.#connection.closing.aborted
    const { name } = this.#feed.definition
    const find = (): Promise<readonly StoredMessage[]> => this.#findUnsettled()
    const patience = { withinMs: Number.POSITIVE_INFINITY, alsoIfMissing: true, isOver }
    const found = await patiently(this.#connection, `look at consumer ${name}`, find, patience).catch(() => undefined)
    if (found !== undefined) this.#feed.expect(found)
  }

  async #findUnsettled(): Promise<readonly StoredMessage[]> {
    const { stream, filters, name } = this.#feed.definition
    const info = await findConsumer(this.#connection, stream, name)
    if (info === undefined || info.num_ack_pending === 0) return []
    const [fromSequence, toSequence] = [info.ack_floor.stream_seq + 1, info.delivered.stream_seq]
    const handedOut = await scan(this.#connection, { stream, filters, fromSequence, toSequence })
    return handedOut.filter(({ key }) => key !== undefined)
  }
}
