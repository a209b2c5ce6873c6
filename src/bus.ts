/**
 * `Bus` implements `MessageBus` over an adapter: it checks what callers say, and puts publisher, worker pools, subscriptions and dead
 * letters together. What they do is in their own files.
 *
 *   new --- connect() ---> connecting ---> open --- close() ---> draining ---> closed
 *                               +------ failed ------------------------------------^
 */
import type { Adapter, Guarantee } from './adapter.js'
import { type BusOptions, type ResolvedBus, resolveBus } from './bus-options.js'
import { withTimeLimit } from './clock.js'
import { Contract, type ReceivedMessage } from './contract.js'
import { type DeadLetters, StoredDeadLetters } from './dead-letter.js'
import { type Duration, durationMs, optionsOf } from './duration.js'
import { BusError, toBusError } from './errors.js'
import { checkHandler } from './handler-call.js'
import { History } from './history.js'
import type { RepairReport, VerifyReport } from './ledger.js'
import { LedgerCalls } from './ledger-calls.js'
import type { Message } from './message.js'
import type {
  BatchEntry,
  BusReport,
  BusState,
  CallOptions,
  ConsumerDefinition,
  Filter,
  Health,
  HistoryQuery,
  MessageBus,
  MessageOf,
  PublishOptions,
  RepairQuery,
  ReplayQuery,
  Stop,
  SubscribeOptions,
} from './message-bus.js'
import { Pools } from './pools.js'
import { Publisher } from './publisher.js'
import type { Receipt } from './receipt.js'
import { StreamMap } from './stream-map.js'
import { checkPattern, checkSubject } from './subject.js'
import { Subscriptions } from './subscriptions.js'
import { assertSupported } from './support.js'
import type { Address, AnyTopic } from './topic.js'
import { checkName, resolveStart } from './topology.js'
import type { Transaction } from './transaction.js'
import type { BatchPoolOptions, Pool, PoolOptions, StopReport } from './worker-pool-options.js'

export class Bus implements MessageBus {
  readonly #options: ResolvedBus
  readonly #adapter: Adapter
  readonly #streams: StreamMap
  readonly #publisher: Publisher
  readonly #pools: Pools
  readonly #history: History
  readonly #subscriptions: Subscriptions
  readonly #ledger: LedgerCalls
  #state: BusState = 'new'
  #connecting: Promise<void> | undefined
  #closing: Promise<StopReport> | undefined

  constructor(options: BusOptions) {
    this.#options = resolveBus(options)
    const { adapter, clock, logger, streams } = this.#options
    this.#adapter = adapter
    this.#streams = new StreamMap(streams)
    // Handlers may publish until the last pool has drained.
    this.#publisher = new Publisher(adapter, clock, () => {
      if (this.#state !== 'open') this.#assert('draining')
    })
    this.#pools = new Pools(this.#options, this.#streams, this.#publisher)
    this.#history = new History(adapter, logger)
    this.#ledger = new LedgerCalls(adapter, this.#publisher, logger)
    this.#subscriptions = new Subscriptions({ adapter, clock, logger, nextId: this.#publisher.nextId })
  }

  async connect(): Promise<void> {
    this.#assert('new', 'connecting', 'open')
    this.#connecting ??= this.#connect()
    return this.#connecting
  }

  async #connect(): Promise<void> {
    this.#state = 'connecting'
    const { clock, logger, random, strict, streams } = this.#options
    try {
      await this.#adapter.open({ clock, logger, random, strict })
      await this.#adapter.provision(streams)
      if (this.#state === 'connecting') this.#state = 'open'
    } catch (thrown) {
      this.#state = 'closed'
      await this.#adapter.close()
      throw toBusError(thrown, 'BUS_UNAVAILABLE', `[${this.#adapter.name}] connect failed`)
    }
  }

  publish(to: string | Address, data: unknown, options?: PublishOptions): Promise<Receipt> {
    return this.#publisher.publish(to, data, options)
  }

  publishBatch(
    entries: readonly BatchEntry[],
    options?: Pick<PublishOptions, 'timeout' | 'signal'>,
  ): Promise<readonly Receipt[]> {
    return this.#publisher.publishBatch(entries, options)
  }

  async signal(subject: string, data: unknown, options: Pick<CallOptions, 'headers'> = {}): Promise<void> {
    this.#assert('open', 'draining')
    assertSupported(this.#adapter, 'live')
    this.#assertUnstored('signal', checkSubject(subject))
    await this.#adapter.signal(this.#subscriptions.signal(subject, data, optionsOf('options', options).headers))
  }

  async subscribe(
    filter: string | AnyTopic,
    handler: (message: never) => unknown,
    options: SubscribeOptions = {},
  ): Promise<Stop> {
    this.#assert('open')
    const contract = new Contract(filter, this.#options.logger)
    const handle = checkHandler(handler) as (message: ReceivedMessage) => unknown
    if (optionsOf('options', options).from === undefined) {
      assertSupported(this.#adapter, 'live')
      return this.#subscriptions.listen(contract, handle)
    }
    const from = resolveStart('from', options.from)
    if (from === 'last-per-subject') assertSupported(this.#adapter, 'lastPerSubject')
    return this.#subscriptions.follow(contract, this.#streams.requireUnder(contract.patterns), from, handle)
  }

  async consume(
    definition: ConsumerDefinition,
    handler: (input: never, context: never) => unknown,
    options: PoolOptions & Partial<BatchPoolOptions> = {},
  ): Promise<Pool> {
    this.#assert('open')
    return this.#pools.start(definition, handler, options, () => this.#assert('open'))
  }

  async *replay<const F extends Filter = string>(query: ReplayQuery<F>): AsyncIterable<MessageOf<F>> {
    this.#assert('open')
    if (query?.from === 'last-per-subject') assertSupported(this.#adapter, 'lastPerSubject')
    for await (const message of this.#history.replay(query)) yield message as Message as MessageOf<F>
  }

  async last(subject: string): Promise<Message | undefined> {
    this.#assert('open')
    return this.#history.last(this.#streams.require(checkSubject(subject), 'last'), subject)
  }

  async get(stream: string, sequence: number): Promise<Message | undefined> {
    this.#assert('open')
    return this.#history.get(stream, sequence)
  }

  async request(subject: string, data: unknown, options: CallOptions = {}): Promise<unknown> {
    this.#assert('open', 'draining')
    assertSupported(this.#adapter, 'request')
    const timeoutMs = durationMs('timeout', optionsOf('options', options).timeout ?? '5s', { min: 1 })
    this.#assertUnstored('request', checkSubject(subject))
    return this.#subscriptions.request(subject, data, options.headers, timeoutMs)
  }

  async respond(pattern: string, handler: (message: Message) => unknown): Promise<Stop> {
    this.#assert('open')
    assertSupported(this.#adapter, 'request')
    return this.#subscriptions.respond(checkPattern(pattern), checkHandler(handler))
  }

  async transaction<Result>(
    body: (tx: Transaction) => Promise<Result>,
    options: { readonly client?: unknown } = {},
  ): Promise<Result> {
    this.#assert('open', 'draining')
    return this.#ledger.transaction(body, optionsOf('options', options).client)
  }

  async verify(query: { readonly stream: string }): Promise<VerifyReport> {
    this.#assert('open')
    return this.#ledger.verify(query)
  }

  async repair(query: RepairQuery): Promise<RepairReport> {
    this.#assert('open')
    return this.#ledger.repair(query)
  }

  async *history<const F extends Filter = string>(query: HistoryQuery<F>): AsyncIterable<MessageOf<F>> {
    this.#assert('open')
    for await (const message of this.#ledger.history(query)) yield message as Message as MessageOf<F>
  }

  deadLetters(consumer: string, subject?: string): DeadLetters {
    checkName('consumer name', consumer)
    const at = checkSubject(subject ?? this.#pools.deadLetterOf(consumer) ?? `dead.${consumer}`)
    return new StoredDeadLetters({
      consumer,
      subject: at,
      stream: this.#streams.require(at, `dead letters of consumer ${consumer}`),
      adapter: () => {
        this.#assert('open')
        return this.#adapter
      },
      publish: (message) => this.#publisher.store(message),
    })
  }

  async health(): Promise<Health> {
    const { name: adapter } = this.#adapter
    const state = this.#state
    if (state !== 'open' && state !== 'draining') {
      return { status: 'down', adapter, state, reasons: [`the bus is ${state}`] }
    }
    const { connected, notes } = await this.#adapter.inspect()
    const paused = this.#pools.report().filter((pool) => pool.stats.paused)
    const reasons = [
      ...(connected ? [] : ['the backend is not connected']),
      ...notes,
      ...paused.map((pool) => `the pool of ${pool.consumer} is paused`),
    ]
    const status = !connected ? 'down' : reasons.length > 0 ? 'degraded' : 'ok'
    return { status, adapter, state, reasons }
  }

  async guarantees(): Promise<readonly Guarantee[]> {
    this.#assert('open', 'draining')
    return (await this.#adapter.inspect()).guarantees
  }

  async inspect(): Promise<BusReport> {
    this.#assert('open', 'draining')
    const report = await this.#adapter.inspect()
    return { ...report, adapter: this.#adapter.name, state: this.#state, pools: this.#pools.report() }
  }

  async close(options: { readonly within?: Duration } = {}): Promise<StopReport> {
    const { within } = optionsOf('options', options)
    const withinMs = within === undefined ? this.#options.shutdownMs : durationMs('within', within)
    this.#closing ??= this.#close(withinMs)
    return this.#closing
  }

  async #close(withinMs: number): Promise<StopReport> {
    const { clock } = this.#options
    const deadline = clock.monotonic() + withinMs
    this.#state = 'draining'
    // Called before anything is awaited: from the call of close() on, no pool starts a handler.
    const stopped = this.#pools.stop(withinMs)
    await withTimeLimit(this.#connecting?.catch(() => {}) ?? Promise.resolve(), withinMs, clock)
    const report = await stopped
    await withTimeLimit(this.#subscriptions.stop(), deadline - clock.monotonic(), clock)
    this.#state = 'closed'
    await this.#adapter.close()
    return report
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  /** What is only meant for those who listen now must not stay in a stream. */
  #assertUnstored(what: 'signal' | 'request', subject: string): void {
    const stream = this.#streams.find(subject)
    if (stream === undefined) return
    const remedy = what === 'signal' ? 'Use publish, or another subject' : 'Use a subject that no stream takes'
    throw new BusError('BUS_CONFLICT', `[bus] ${what} to ${subject}: stream ${stream} would store it. ${remedy}`)
  }

  #assert(...states: readonly BusState[]): void {
    if (states.includes(this.#state)) return
    const remedy = this.#state === 'new' || this.#state === 'connecting' ? 'Await connect() first' : 'Create a new bus'
    throw new BusError('BUS_CLOSED', `[bus] the bus is ${this.#state}. ${remedy}`)
  }
}

/** Throws a `BusError` for a bad option. Nothing is opened: `await bus.connect()` does that. */
export function createBus(options: BusOptions): MessageBus {
  return new Bus(options)
}
