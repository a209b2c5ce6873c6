/**
 * The port: what a backend does for the bus, and nothing else. An adapter stores, hands out and settles. It never retries, never
 * sleeps while it holds a delivery, never runs user code, never imports the bus. This file is all you need to write one; the
 * conformance suite (`busbar/testing`, `adapterSuite`) tells when it is done.
 *
 * Common to all methods: inputs were validated by the bus; errors are `BusError`s with the native error as `cause`; every method
 * may be called concurrently with every other; after `close()` every method rejects with `BUS_CLOSED`.
 */
import type { Clock } from './clock.js'
import type { BusError } from './errors.js'
import type { Ledger } from './ledger.js'
import type { Logger } from './logger.js'
import type { Headers, Outgoing, StoredMessage } from './message.js'
import type { Durability } from './receipt.js'
import type { ResolvedConsumer, ResolvedStart, ResolvedStream } from './topology.js'

/** What a backend can do. It drives the conformance suite, the documentation and start-up checks; a declared "no" is tested too. */
export interface Capabilities {
  /** What an acceptance rests on. */
  readonly durability: Durability
  /** Whether stored messages and consumers survive `close()` and the death of this process. */
  readonly survivesRestart: boolean
  /** Whether a connection can be lost and found again while the adapter is open. */
  readonly reconnects: boolean
  /** Repeating an id within the stream's window stores nothing new. */
  readonly publishDedup: boolean
  /** An id stays taken for as long as its message is kept, whatever the stream's window says. */
  readonly keepsIds: boolean
  /** Repeating an id with another subject or payload is refused with `BUS_ID_CONFLICT`. */
  readonly idConflict: boolean
  readonly delayedPublish: boolean
  /** Stream retention beyond `'limits'`. */
  readonly workqueue: boolean
  readonly interest: boolean
  readonly lastPerSubject: boolean
  /** `replay: 'original'` for consumers. */
  readonly originalReplay: boolean
  /** `signal` and `listen`. */
  readonly live: boolean
  /** `request`, and `reply` for listeners. */
  readonly request: boolean
  /** `remove`, which discarding and redriving dead letters need. */
  readonly remove: boolean
  /** `ledger`: handlers get `ctx.tx`, applications `bus.transaction`, `verify`, `repair` and `history`. */
  readonly transactions: boolean
}

/** What the bus lends an adapter from `open()` on. */
export interface AdapterHost {
  readonly clock: Clock
  readonly logger: Logger
  /** Uniform in [0, 1): for jitter, and for any choice that a test wants to repeat. */
  readonly random: () => number
  /** Refuse in `open()` or `provision()` whatever cannot be shown to carry what was declared (`docs/adr/0004`). */
  readonly strict: boolean
}

export interface Adapter {
  /** Lower-case word used in error texts: `[memory] …`. */
  readonly name: string
  readonly supports: Capabilities
  /** Only of backends that declare `transactions`. */
  readonly ledger?: Ledger

  /**
   * Connects. Called once, and again only after it has rejected with `BUS_UNAVAILABLE`. Waits as long as its own connect options say, then
   * rejects with that or `BUS_AUTH`.
   */
  open(host: AdapterHost): Promise<void>

  /**
   * Creates or updates streams. Idempotent. A difference that cannot be applied to an existing stream rejects with `BUS_CONFLICT` and
   * names both values; so does a subject that another stream takes. Creates nothing when any stream conflicts.
   */
  provision(streams: readonly ResolvedStream[]): Promise<ProvisionReport>

  /**
   * Stores messages in order, and tells for each what happened; it does not throw for a single message. Returns without a promise
   * when it can. `rejected` means not stored now or later: `BUS_NO_STREAM`, `BUS_TOO_LARGE` (payload + headers), `BUS_ID_CONFLICT`,
   * `BUS_UNAVAILABLE` (full stream with `discard: 'new'`, or no connection and surely not sent). `unknown` is everything in doubt.
   * Settles within `timeoutMs`. Messages that follow a rejected one are stored all the same.
   */
  publish(batch: readonly Outgoing[], timeoutMs: number): readonly PublishOutcome[] | Promise<readonly PublishOutcome[]>

  /**
   * Payload and headers that it surely takes whatever id and key a message has, in bytes; for who must know before publishing. Dead
   * letters and redriven messages may take `SPARE_BYTES` more (`message.ts`). Default: any.
   */
  maxMessageBytes?(): number

  /**
   * Creates the durable consumer when it is missing and starts to hand its deliveries to `sink`, never more than were granted. Rejects
   * with `BUS_NOT_FOUND` when the stream is missing, `BUS_CONFLICT` when a consumer of that name has another definition. Several feeds
   * of one consumer share its messages, except with `order: 'key'`: then one feed is served and the others stand by, or, of a consumer
   * with `partitions`, one feed for each part of the keys.
   */
  attach(consumer: ResolvedConsumer, sink: Sink): Promise<Feed>

  /**
   * Records what became of deliveries of one feed; idempotent. It returns without a promise when nothing needs to be awaited. A fault
   * rejects with a retryable error: the message will be delivered again. `ack` and `term` of a delivery that was meanwhile redelivered
   * settle the message all the same; every other settlement of such a delivery does nothing.
   */
  settle(deliveries: readonly Delivery[], settlement: Settlement): void | Promise<void>

  /** Reads history in sequence order. Ends at the last message present when it began, unless `follow`. Stopping early frees everything. */
  read(query: ReadQuery): Reading

  /** Removes messages from a stream for good, and tells how many were there. Idempotent. */
  remove(stream: string, sequences: readonly number[]): Promise<number>

  /** Hands a message to whoever listens now, at most once each; nothing is stored. */
  signal(signal: Signal): void | Promise<void>

  /**
   * Listens to signals and to published messages, live, at most once. Listeners with the same `share` get each message once between
   * them. Resolves when messages that are sent from now on will arrive.
   */
  listen(pattern: string, listener: Listener, share?: string): Promise<Listening>

  /** Sends a signal and resolves with the first reply. Rejects `BUS_NOT_FOUND` when nobody listens, `BUS_TIMEOUT`. */
  request(signal: Signal, timeoutMs: number): Promise<Signal>

  /** Observed facts, for `health()`, `inspect()` and `guarantees()`. Resolves when the connection is down too, and says so. */
  inspect(): Promise<AdapterReport>

  /** Releases everything. Idempotent and never rejects. Deliveries not settled come back after their ack wait, to another feed. */
  close(): Promise<void>
}

export interface ProvisionReport {
  readonly created: readonly string[]
  readonly updated: readonly string[]
  readonly unchanged: readonly string[]
}

export type PublishOutcome =
  /** `sequence` is 0 for a delayed message. */
  | { readonly status: 'accepted'; readonly stream: string; readonly sequence: number; readonly duplicate: boolean }
  | { readonly status: 'rejected'; readonly error: BusError }
  | { readonly status: 'unknown'; readonly error: BusError }

/** One attempt to hand a message to a handler. Adapters extend it with what they need to settle it. */
export interface Delivery {
  readonly message: StoredMessage
  /** From 1. Deliveries that were given back with `release` do not count. */
  readonly attempt: number
  /**
   * Monotonic ms: the backend may hand the message to somebody else from then on. `working` puts it off, once the backend is known to have
   * heard it in time.
   */
  readonly expiresAt: number
}

export type Settlement =
  /** Done. */
  | { readonly kind: 'ack' }
  /** Failed: deliver again after `delayMs`, as another attempt. */
  | { readonly kind: 'nak'; readonly delayMs: number }
  /** Not started: deliver again at once, to anyone, as the same attempt. */
  | { readonly kind: 'release' }
  /** Given up; a dead letter was stored before. */
  | { readonly kind: 'term'; readonly reason: string }
  /** Still being worked on: the ack wait begins anew. */
  | { readonly kind: 'working' }

/** The worker pool's side of a feed. No method throws or runs user code before it returns. */
export interface Sink {
  deliver(deliveries: readonly Delivery[]): void
  /**
   * Only for `order: 'key'`: messages that come before others of their keys and will be delivered here later, because an earlier feed left
   * them unsettled or the backend has them not yet. Newer messages of their keys that have not started must wait for them. May name a
   * message twice, never one that is held here.
   */
  awaiting(messages: readonly StoredMessage[]): void
  /**
   * Messages that will not be delivered again though they were not settled here: retention took them, or another feed settled them.
   * Never called from inside `settle()`.
   */
  gone(messages: readonly StoredMessage[]): void
}

export interface Feed {
  /** Allows that many more deliveries. */
  grant(count: number): void
  /** Matching messages not handed out yet, as far as known; waiting redeliveries not included. */
  pending(): number
  /** Hands out nothing more from the moment of the call. Idempotent. Deliveries held by the sink can still be settled. */
  stop(): Promise<void>
}

export interface ReadQuery {
  readonly stream: string
  /** Patterns; a message that matches any of them is read. */
  readonly filters: readonly string[]
  readonly from: ResolvedStart
  /** Last sequence to read, inclusive. */
  readonly toSequence?: number
  /** Last time to read, ms since the epoch, inclusive. */
  readonly toTimeMs?: number
  /** Goes on with new messages until aborted. Nothing is missed between history and live. */
  readonly follow?: boolean
  /** Ends the iteration without an error. */
  readonly signal?: AbortSignal
}

export interface Reading extends AsyncIterable<StoredMessage> {
  /**
   * Fixes where the reading begins: what is stored after it resolved is new. Only for backends that must ask a server; without it the
   * first `next()` begins at once. Called at most once, and before iterating.
   */
  open?(): Promise<void>
}

/** A live message: a signal, a request, an answer, or a published message as it passes by. */
export interface Signal {
  readonly subject: string
  readonly id: string
  readonly key: string | undefined
  readonly headers: Headers
  readonly payload: Uint8Array
}

/** `reply` is there when the sender waits for one; later calls of it do nothing. */
export type Listener = (signal: Signal, reply: ((answer: Signal) => void) | undefined) => void

export interface Listening {
  stop(): Promise<void>
}

export interface AdapterReport {
  readonly connected: boolean
  /** Why it is not connected, or what else a person should know. */
  readonly notes: readonly string[]
  readonly streams: readonly StreamReport[]
  readonly consumers: readonly ConsumerReport[]
  /** One line of `guarantees.md` each, as observed. */
  readonly guarantees: readonly Guarantee[]
}

export interface StreamReport {
  readonly name: string
  readonly subjects: readonly string[]
  readonly messages: number
  readonly bytes: number
  /** 0 when the stream has never held a message. */
  readonly firstSequence: number
  readonly lastSequence: number
  /** Delayed messages that no reader sees yet. */
  readonly delayed: number
  /** Another one when the stream was deleted and made again. */
  readonly generation?: string
}

export interface ConsumerReport {
  readonly name: string
  readonly stream: string
  /** Matching messages not handed out yet. */
  readonly pending: number
  /** Handed out and not settled. */
  readonly inFlight: number
  /** Failed or expired, waiting for their next delivery. Part of `inFlight`. */
  readonly waiting: number
  /** Feeds attached now. */
  readonly feeds: number
}

export interface Guarantee {
  readonly topic:
    | 'accepted'
    | 'lost-only-if'
    | 'delivery'
    | 'phantoms'
    | 'publish-dedup'
    | 'handler-duplicates'
    | 'order'
    | 'dead-letter'
    | 'replay'
    | 'shutdown'
    | 'broker-down'
  readonly promise: string
  /** What was seen that supports the promise; `'unknown'` when nothing was. */
  readonly observed: string
}
