/**
 * The dual adapter: a ledger in PostgreSQL first, and any other backend behind it. This file is the port, method by method; each has a room
 * of its own, and `rooms.ts` puts them together.
 *
 *   publish/   group commit into the ledger, delayed messages       relay/     from the ledger to the inner backend
 *   consume/   attach, settle, transactions, dead letters           read/      read, history
 *   verify/    compare with the inner backend, repair               report/    inspect, guarantees, cleanup
 *
 * `migrations/` is the schema, `sql/` has one statement a file, `stamp.ts` says how a message of the ledger looks in the inner backend.
 */
import type {
  Adapter,
  AdapterHost,
  AdapterReport,
  Capabilities,
  Delivery,
  Feed,
  Listener,
  Listening,
  ProvisionReport,
  PublishOutcome,
  Reading,
  ReadQuery,
  Settlement,
  Signal,
  Sink,
} from '../../src/adapter.js'
import { BusError, describeThrown } from '../../src/errors.js'
import type { Ledger } from '../../src/ledger.js'
import type { Outgoing } from '../../src/message.js'
import type { ResolvedConsumer, ResolvedStream } from '../../src/topology.js'
import { ensureConsumer } from './consume/consumers.js'
import { type LedgerDelivery, ledgerDeliveries } from './consume/ledger-delivery.js'
import { LedgerFeed } from './consume/ledger-feed.js'
import { remove } from './consume/removal.js'
import { Database } from './database/database.js'
import { migrate } from './database/migrate.js'
import { innerDefinition } from './inner-definition.js'
import { LateInner } from './late-inner.js'
import { type DualOptions, type ResolvedDual, resolveDual } from './options.js'
import { assertDurable, observeFacts } from './report/facts.js'
import { Rooms } from './rooms.js'
import { stampOf, withoutStamp } from './stamp.js'
import { Streams } from './streams.js'

/** How long closing waits for what was published before. */
const FINISH_MS = 2000

export class DualAdapter implements Adapter {
  readonly name = 'dual'
  readonly supports: Capabilities
  readonly #options: ResolvedDual
  readonly #inner: LateInner
  readonly #database: Database
  readonly #streams = new Streams()
  readonly #feeds = new Set<LedgerFeed>()
  #rooms: Rooms | undefined
  #closing: Promise<void> | undefined

  constructor(options: DualOptions) {
    const resolved = resolveDual(options)
    this.#inner = new LateInner(resolved.inner)
    this.#options = { ...resolved, inner: this.#inner }
    this.#database = new Database(this.#options)
    this.supports = supportsOf(this.#inner.supports)
  }

  get ledger(): Ledger {
    return this.#open().ledger
  }

  async open(host: AdapterHost): Promise<void> {
    this.#database.logger = host.logger
    await migrate(this.#database, this.#options.migrate === 'auto')
    if (host.strict) assertDurable(await observeFacts(this.#database))
    await this.#inner.open({ ...host, strict: false })
    const setting = { options: this.#options, database: this.#database, streams: this.#streams, host }
    this.#rooms = new Rooms(setting)
    await this.#rooms.open()
  }

  async provision(streams: readonly ResolvedStream[]): Promise<ProvisionReport> {
    const rooms = this.#open()
    const report = await this.#streams.provision(this.#database, streams)
    const known = [...report.updated, ...report.unchanged]
    const provision = () => this.#inner.provision(streams.map(innerDefinition))
    await this.#inner.whenOpen(() => rooms.refill(known, provision))
    return report
  }

  async publish(batch: readonly Outgoing[], timeoutMs: number): Promise<readonly PublishOutcome[]> {
    return this.#open().publisher.publish(batch, timeoutMs)
  }

  async attach(consumer: ResolvedConsumer, sink: Sink): Promise<Feed> {
    const rooms = this.#open()
    const stream = this.#streams.require(consumer.stream)
    const standing = await ensureConsumer(this.#database, stream, consumer)
    const feed: LedgerFeed = new LedgerFeed(
      {
        ...{ database: this.#database, inner: this.#inner, host: rooms.host, standing, definition: consumer },
        onMissing: () => rooms.suspect(stream),
        onStopped: () => void this.#feeds.delete(feed),
      },
      sink,
    )
    this.#feeds.add(feed)
    const from = standing.innerFrom
    await this.#inner.whenOpen(async () => feed.began(await this.#inner.attach({ ...consumer, from }, feed)))
    return feed
  }

  settle(deliveries: readonly Delivery[], settlement: Settlement): void | Promise<void> {
    const { settlements, failures } = this.#open()
    const own = ledgerDeliveries(deliveries)
    const inner = own.map((delivery) => delivery.inner)
    if (settlement.kind === 'nak')
      return failures.record(own, settlement.delayMs).then(() => {
        for (const feed of this.#feeds) feed.failed(own)
        return this.#inner.settle(inner, settlement)
      })
    if (settlement.kind !== 'ack' && settlement.kind !== 'term') return this.#inner.settle(inner, settlement)
    const unrecorded = own.filter((delivery) => !delivery.isRecorded)
    if (unrecorded.length === 0) return this.#tellInner(own, settlement)
    return settlements.record(unrecorded).then(() => this.#tellInner(own, settlement))
  }

  /** The ledger has it: what the inner backend does not hear comes again, and is passed over. */
  async #tellInner(deliveries: readonly LedgerDelivery[], settlement: Settlement): Promise<void> {
    try {
      await this.#inner.settle(
        deliveries.map((delivery) => delivery.inner),
        settlement,
      )
    } catch (thrown) {
      const fields = { error: describeThrown(thrown) }
      this.#rooms?.host.logger.log('debug', '[dual] the inner backend did not hear of a settlement', fields)
    }
  }

  read(query: ReadQuery): Reading {
    return this.#open().read(query)
  }

  async remove(stream: string, sequences: readonly number[]): Promise<number> {
    this.#open()
    return remove(this.#database, this.#inner, this.#streams.require(stream), sequences)
  }

  signal(signal: Signal): void | Promise<void> {
    this.#open()
    return this.#inner.signal(signal)
  }

  /** What the relay sends again has passed by before. */
  async listen(pattern: string, listener: Listener, share?: string): Promise<Listening> {
    this.#open()
    return this.#inner.listen(
      pattern,
      (signal, reply) => {
        const stamp = stampOf(signal.headers)
        if (stamp === undefined) listener(signal, reply)
        else if (!stamp.isAgain) listener({ ...signal, headers: withoutStamp(signal.headers) }, reply)
      },
      share,
    )
  }

  request(signal: Signal, timeoutMs: number): Promise<Signal> {
    this.#open()
    return this.#inner.request(signal, timeoutMs)
  }

  async inspect(): Promise<AdapterReport> {
    return this.#open().inspect([...this.#feeds].reduce((sum, feed) => sum + feed.foreign, 0))
  }

  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  /** Feeds first, then what is on its way to the ledger, then what is on its way from it. */
  async #close(): Promise<void> {
    await Promise.allSettled([...this.#feeds].map((feed) => feed.stop()))
    await this.#rooms?.close(FINISH_MS)
    await this.#inner.close()
    await this.#database.close()
  }

  #open(): Rooms {
    if (this.#rooms !== undefined && this.#closing === undefined) return this.#rooms
    throw new BusError('BUS_CLOSED', '[dual] the adapter is not open')
  }
}

/** Storing, settling and reading are the ledger's; what passes by live, and when to hand out, are the inner backend's. */
function supportsOf(inner: Capabilities): Capabilities {
  return {
    ...inner,
    durability: 'ledger',
    survivesRestart: true,
    reconnects: true,
    publishDedup: true,
    keepsIds: true,
    idConflict: true,
    delayedPublish: true,
    transactions: true,
  }
}
