/**
 * The JetStream adapter: the port, method by method. Each has a room of its own; what all of it can promise is told in the README, in the
 * section on what a JetStream acknowledgement means.
 *
 *   connect/    the link, credentials, TLS, patience          provision/  streams as they were declared, and our own
 *   publish/    publish                                       delayed/    publish with a delay
 *   consume/    attach, settle                                read/       read
 *   report/     inspect, guarantees                           live.ts     signal, listen, request
 *
 * `wire.ts` is what a message looks like on its way, `failure.ts` what went wrong, `names.ts` what we call things on a server.
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
import { BusError } from '../../src/errors.js'
import { type Outgoing, SPARE_BYTES } from '../../src/message.js'
import type { ResolvedConsumer, ResolvedStream } from '../../src/topology.js'
import { Connection } from './connect/connection.js'
import type { JetStreamOptions } from './connect/options.js'
import { Advisories } from './consume/advisories.js'
import { type Prepared, prepareFeed } from './consume/attach.js'
import { byFeed } from './consume/delivery.js'
import type { JetStreamFeed } from './consume/feed.js'
import { Outbound } from './consume/outbound.js'
import { Presence } from './consume/presence.js'
import { Delayed } from './delayed/delayed.js'
import { failure } from './failure.js'
import { Live } from './live.js'
import { ensureInternalStreams } from './provision/internal-streams.js'
import { findStream, provisionStreams, removeMessage } from './provision/provision.js'
import { Streams } from './provision/streams.js'
import { Publisher } from './publish/publisher.js'
import { readStream } from './read/read.js'
import { inspectServer } from './report/inspect.js'
import { assertStrict } from './report/probe.js'
import { OWN_HEADER_BYTES } from './wire.js'

/** How long closing waits for the answers to what was published before. */
const FINISH_MS = 2000

const supports: Capabilities = {
  durability: 'stream',
  survivesRestart: true,
  reconnects: true,
  publishDedup: true,
  keepsIds: false,
  idConflict: true,
  delayedPublish: true,
  workqueue: true,
  interest: true,
  lastPerSubject: true,
  originalReplay: true,
  live: true,
  request: true,
  remove: true,
  transactions: false,
}

export class JetStreamAdapter implements Adapter {
  readonly name = 'nats'
  readonly supports = supports
  readonly #options: JetStreamOptions
  readonly #connection: Connection
  readonly #streams = new Streams()
  readonly #publisher: Publisher
  readonly #delayed: Delayed
  readonly #live: Live
  readonly #outbound: Outbound
  readonly #presence: Presence
  readonly #advisories: Advisories
  readonly #feeds = new Map<Feed, readonly JetStreamFeed[]>()
  #closing: Promise<void> | undefined

  constructor(options: JetStreamOptions = {}) {
    this.#options = options
    this.#connection = new Connection(options)
    this.#publisher = new Publisher(this.#connection, this.#streams, options)
    this.#delayed = new Delayed(this.#connection, this.#streams, this.#publisher)
    this.#live = new Live(this.#connection)
    this.#outbound = new Outbound(this.#connection)
    this.#presence = new Presence(this.#connection)
    this.#advisories = new Advisories(this.#connection)
  }

  async open(host: AdapterHost): Promise<void> {
    await this.#connection.open(host)
    await this.#publisher.learn()
  }

  async provision(streams: readonly ResolvedStream[]): Promise<ProvisionReport> {
    const replicas = Math.max(1, ...streams.map((stream) => stream.replicas))
    await ensureInternalStreams(this.#connection, replicas)
    const gainsByBatches = (stream: ResolvedStream): boolean => this.#publisher.gainsByBatches(stream)
    const report = await provisionStreams(this.#connection.jsm, streams, gainsByBatches)
    this.#streams.declare(streams)
    if (this.#connection.host.strict) await assertStrict(this.#connection, this.#streams, this.#options)
    await this.#delayed.watch(streams)
    for (const { name } of streams) this.#advisories.watch(name)
    return report
  }

  async publish(batch: readonly Outgoing[], timeoutMs: number): Promise<readonly PublishOutcome[]> {
    if (this.#closing !== undefined) throw closed()
    if (batch.every((message) => message.delayMs === 0)) return this.#publisher.publish(batch, timeoutMs)
    const outcomes = batch.map(async (message) => {
      if (message.delayMs > 0) return this.#delayed.publish(message, timeoutMs)
      const [outcome] = await this.#publisher.publish([message], timeoutMs)
      return outcome ?? unanswered(message)
    })
    return Promise.all(outcomes)
  }

  maxMessageBytes(): number {
    const most = this.#connection.isConnected ? this.#connection.server.max_payload : Number.POSITIVE_INFINITY
    return most - OWN_HEADER_BYTES - SPARE_BYTES
  }

  async attach(definition: ResolvedConsumer, sink: Sink): Promise<Feed> {
    const connection = this.#connection
    const { stream } = definition
    const found = await findStream(connection.jsm, stream)
    if (found === undefined)
      throw failure(`consume ${stream}`, 'BUS_NOT_FOUND', "there is no such stream. Declare it in the bus's streams")
    const using = { connection, publisher: this.#publisher, outbound: this.#outbound, presence: this.#presence }
    const prepared = await prepareFeed(using, definition, sink, found)
    const feed = this.#track(prepared)
    await prepared.start()
    return feed
  }

  #track({ feed, inner, stop: stopFeed }: Prepared): Feed {
    const stop = async (): Promise<void> => {
      await stopFeed()
      this.#feeds.delete(tracked)
    }
    const tracked: Feed = { grant: (count) => feed.grant(count), pending: () => feed.pending(), stop }
    this.#feeds.set(tracked, inner)
    return tracked
  }

  settle(deliveries: readonly Delivery[], settlement: Settlement): void | Promise<void> {
    void this.#connection.nats
    const pending: Promise<void>[] = []
    for (const [feed, group] of byFeed(deliveries)) {
      const settled = feed.settle(group, settlement)
      if (settled !== undefined) pending.push(settled)
    }
    if (pending.length > 0) return Promise.all(pending).then(() => {})
  }

  read(query: ReadQuery): Reading {
    return readStream(this.#connection, query)
  }

  async remove(stream: string, sequences: readonly number[]): Promise<number> {
    const { jsm } = this.#connection
    const removed = sequences.map((sequence) => removeMessage(jsm, stream, sequence))
    return (await Promise.all(removed)).filter((wasThere) => wasThere).length
  }

  signal(signal: Signal): void {
    this.#live.signal(signal)
  }

  listen(pattern: string, listener: Listener, share?: string): Promise<Listening> {
    return this.#live.listen(pattern, listener, share)
  }

  request(signal: Signal, timeoutMs: number): Promise<Signal> {
    return this.#live.request(signal, timeoutMs)
  }

  async inspect(): Promise<AdapterReport> {
    void this.#connection.nats
    return inspectServer({
      connection: this.#connection,
      streams: this.#streams,
      delayed: this.#delayed,
      presence: this.#presence,
      feeds: [...this.#feeds.values()].flat(),
      options: this.#options,
    })
  }

  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  /** What is on its way when the adapter is closed has mostly been stored: its publisher should hear so. */
  async #finishPublishing(): Promise<void> {
    if (this.#connection.isConnected) await this.#publisher.finish(FINISH_MS)
  }

  /** Feeds first, so that what was granted and never handed out goes to others; then what is on its way; the link last (JS-R5). */
  async #close(): Promise<void> {
    await Promise.allSettled([...this.#feeds.keys()].map((feed) => feed.stop()))
    await this.#delayed.close()
    await this.#finishPublishing()
    this.#publisher.close()
    this.#live.close()
    this.#outbound.close()
    await this.#connection.close()
  }
}

function closed(): BusError {
  return new BusError('BUS_CLOSED', '[nats] the adapter is not open')
}

function unanswered({ subject }: Outgoing): PublishOutcome {
  return { status: 'unknown', error: failure(`publish to ${subject}`, 'BUS_UNAVAILABLE', 'there was no outcome') }
}
