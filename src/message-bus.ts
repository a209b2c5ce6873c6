/**
 * `MessageBus`: the one interface that applications hold, with every option on its type. `bus.ts` implements it.
 */
import type { AdapterReport, Guarantee } from './adapter.js'
import type { DeadLetters } from './dead-letter.js'
import type { Duration } from './duration.js'
import type { RepairOptions, RepairReport, VerifyReport } from './ledger.js'
import type { Message } from './message.js'
import type { Receipt } from './receipt.js'
import type { Address, AnyTopic, Topic } from './topic.js'
import type { ConsumerSettings, StartAt } from './topology.js'
import type { Transaction } from './transaction.js'
import type { BatchHandler, BatchPoolOptions, Handler, Pool, PoolOptions, StopReport } from './worker-pool-options.js'

export interface PublishOptions {
  /** Message id, 1 to 256 printable characters. Repeating it within the stream's window stores nothing new. Default: a UUIDv7. */
  readonly id?: string
  /** Ordering key, 1 to 256 printable characters. */
  readonly key?: string
  readonly headers?: Readonly<Record<string, string>>
  /** Readers see the message only after this long. Default 0. */
  readonly delay?: Duration
  /** How long until the publish is given up with `OutcomeUnknownError` or `NotAcceptedError`. Default `'5s'`. */
  readonly timeout?: Duration
  /** Gives up waiting. Before anything was sent it is a `NotAcceptedError`, afterwards an `OutcomeUnknownError`. */
  readonly signal?: AbortSignal
}

export interface BatchEntry<Input = unknown> {
  readonly to: string | Address<Input>
  readonly data: Input
  readonly options?: Omit<PublishOptions, 'timeout' | 'signal'>
}

/** What a consumer, a replay or a subscription listens to: a subject, a pattern, a topic, or several of them. */
export type Filter = string | AnyTopic | readonly (string | AnyTopic)[]

type OneOf<F> = F extends readonly (infer Each)[] ? Each : F
type MessageFor<One> =
  One extends Topic<infer _In, infer Output, infer Params> ? Message<Output, Params> : Message<unknown>
/** The message type that a filter yields: typed by its topic, or by the union of its topics. */
export type MessageOf<F> = MessageFor<OneOf<F>>

export interface ConsumerDefinition<F extends Filter = Filter> extends ConsumerSettings {
  /** Default: everything in the stream. */
  readonly filter?: F
}

export interface ReplayQuery<F extends Filter = Filter> {
  readonly stream: string
  readonly filter?: F
  /** Default `'all'`. */
  readonly from?: StartAt
  /** Inclusive. Default: the last message present when the replay began. */
  readonly to?: { readonly sequence: number } | { readonly time: Date | number | string }
  readonly limit?: number
  readonly signal?: AbortSignal
}

export interface HistoryQuery<F extends Filter = Filter> {
  /** Default: all streams. */
  readonly stream?: string
  readonly filter?: F
  readonly key?: string
  readonly id?: string
  /** Both inclusive. */
  readonly from?: Date | number | string
  readonly to?: Date | number | string
  /** Default `'oldest-first'`. */
  readonly order?: 'oldest-first' | 'newest-first'
  /** Default 1,000. */
  readonly limit?: number
}

export interface RepairQuery extends RepairOptions {
  readonly stream: string
}

export interface SubscribeOptions {
  /** Makes it a gapless reader of stored messages from that point on, one message after the other. Default: live only. */
  readonly from?: StartAt
}

export interface CallOptions {
  readonly headers?: Readonly<Record<string, string>>
  /** Default `'5s'`. */
  readonly timeout?: Duration
}

/** Ends a subscription or a responder: no handler call starts afterwards. Idempotent. */
export type Stop = () => Promise<void>

export interface MessageBus extends AsyncDisposable {
  /** Connects and provisions the declared streams. Call it once, before anything else. */
  connect(): Promise<void>

  /**
   * Stores one message. Resolves when it is **accepted**; throws `NotAcceptedError` when it is definitely not stored, and
   * `OutcomeUnknownError` when it may be: repeat it with the same id.
   */
  publish<Input>(to: Address<Input>, data: Input, options?: PublishOptions): Promise<Receipt>
  publish(to: string, data: unknown, options?: PublishOptions): Promise<Receipt>

  /**
   * Stores several messages in order and resolves with their receipts in order. Every entry is checked before any is sent. When some
   * are not accepted, throws a `PublishBatchError` whose `outcomes` has a receipt or an error for each entry.
   */
  publishBatch(
    entries: readonly BatchEntry[],
    options?: Pick<PublishOptions, 'timeout' | 'signal'>,
  ): Promise<readonly Receipt[]>

  /** Tells whoever listens now, at most once each; nothing is stored. The subject must not belong to a stream. */
  signal(subject: string, data: unknown, options?: Pick<CallOptions, 'headers'>): Promise<void>

  /**
   * Live messages and signals, to every subscriber, at most once. With `from`, a gapless reader of stored messages. A handler that
   * throws is logged; the subscription goes on.
   */
  subscribe<const F extends string | AnyTopic>(
    filter: F,
    handler: (message: MessageOf<F>) => unknown,
    options?: SubscribeOptions,
  ): Promise<Stop>

  /**
   * Starts a worker pool on a durable consumer: at least once, retried by policy, dead-lettered after the last attempt. With `batch`, the
   * handler gets several messages at a time.
   */
  consume<const F extends Filter = string>(
    consumer: ConsumerDefinition<F>,
    handler: BatchHandler<MessageOf<F>>,
    options: BatchPoolOptions,
  ): Promise<Pool>
  consume<const F extends Filter = string>(
    consumer: ConsumerDefinition<F>,
    handler: Handler<MessageOf<F>>,
    options?: PoolOptions,
  ): Promise<Pool>

  /** Stored messages in sequence order, up to now or `to`. */
  replay<const F extends Filter = string>(query: ReplayQuery<F>): AsyncIterable<MessageOf<F>>
  /** The newest stored message of a subject. */
  last(subject: string): Promise<Message | undefined>
  /** One stored message by position. */
  get(stream: string, sequence: number): Promise<Message | undefined>

  /** Asks whoever responds to a subject, and resolves with the first answer. `BUS_NOT_FOUND` when nobody does, `BUS_TIMEOUT`. */
  request(subject: string, data: unknown, options?: CallOptions): Promise<unknown>
  /** Answers requests. Responders on one pattern share the requests. */
  respond(pattern: string, handler: (message: Message) => unknown): Promise<Stop>

  /**
   * Only with a ledger (`dual`; elsewhere `BUS_UNSUPPORTED`, as the next three): what the body writes through `tx` and what it publishes
   * commit when it resolves, together or not at all. With `client`, on which the caller has begun a transaction, it is the caller who commits:
   * soon, because the streams published to stay locked until then.
   */
  transaction<Result>(
    body: (tx: Transaction) => Promise<Result>,
    options?: { readonly client?: unknown },
  ): Promise<Result>
  /** Compares a stream of the ledger with the inner backend. */
  verify(query: { readonly stream: string }): Promise<VerifyReport>
  /** Sends what is missing in the inner backend again: same ids, content, times and order of keys. */
  repair(query: RepairQuery): Promise<RepairReport>
  /** What the ledger keeps, by stream and position. */
  history<const F extends Filter = string>(query: HistoryQuery<F>): AsyncIterable<MessageOf<F>>

  /** The dead letters of a consumer. @param subject where they are, when its pool was given another `deadLetter` than the default */
  deadLetters(consumer: string, subject?: string): DeadLetters

  health(): Promise<Health>
  /** What this bus promises, as observed facts; `'unknown'` where nothing was observed. */
  guarantees(): Promise<readonly Guarantee[]>
  inspect(): Promise<BusReport>

  /**
   * Stops pools first, then subscriptions, then the connection, and tells what became of the messages that pools held. Idempotent: a later
   * call returns the same report. Default `within`: `'20s'`, shared by all of it.
   */
  close(options?: { readonly within?: Duration }): Promise<StopReport>
}

export interface Health {
  /** `degraded`: works, but a person should look. */
  readonly status: 'ok' | 'degraded' | 'down'
  readonly adapter: string
  readonly state: BusState
  /** Why the status is not `ok`. */
  readonly reasons: readonly string[]
}

export type BusState = 'new' | 'connecting' | 'open' | 'draining' | 'closed'

export interface BusReport extends AdapterReport {
  readonly adapter: string
  readonly state: BusState
  readonly pools: readonly { readonly consumer: string; readonly stats: ReturnType<Pool['stats']> }[]
}
