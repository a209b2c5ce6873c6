/**
 * A feed that keeps the order of keys among several processes: only the holder of the consumer's lease is served, the others stand by.
 * Whoever takes over first learns which messages its predecessor may have left unsettled, because newer ones of their keys must wait
 * for them (JS-C8). The server cannot list them, but they lie between what is settled and what was handed out.
 */
import type { Feed } from '../../src/adapter.js'
import { describeThrown } from '../../src/errors.js'
import type { Connection } from './connection.js'
import type { JetStreamFeed } from './feed.js'
import { Lease } from './lease.js'
import { leaseSubject } from './names.js'
import type { Publisher } from './publisher.js'
import { scan } from './read.js'

const RETRY_MS = 250

export class OrderedFeed implements Feed {
  readonly #connection: Connection
  readonly #feed: JetStreamFeed
  readonly #lease: Lease

  constructor(connection: Connection, publisher: Publisher, feed: JetStreamFeed) {
    this.#connection = connection
    this.#feed = feed
    const { stream, name } = feed.definition
    this.#lease = new Lease(connection, publisher, leaseSubject(stream, name), {
      onAcquired: () => void this.#takeOver(),
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

  async #takeOver(): Promise<void> {
    try {
      await this.#expectUnsettled()
      if (this.#lease.isHeld) this.#feed.serve()
    } catch (thrown) {
      const { logger, clock } = this.#connection.host
      logger.log('warn', 'taking over a consumer has to be repeated', { error: describeThrown(thrown) })
      clock.timer(RETRY_MS, () => void (this.#lease.isHeld && this.#takeOver()), { ref: false })
    }
  }

  async #expectUnsettled(): Promise<void> {
    const { stream, filters } = this.#feed.definition
    const info = await this.#feed.inspect()
    if (info === undefined) throw new Error('the consumer cannot be looked at')
    if (info.num_ack_pending === 0) return
    const [first, last] = [info.ack_floor.stream_seq + 1, info.delivered.stream_seq]
    const candidates = await scan(this.#connection, { stream, filters, fromSequence: first, toSequence: last })
    this.#feed.expect(candidates.filter(({ key }) => key !== undefined))
  }
}
