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
import { Contract, ReceivedMessage } from './contract.js'
import { type DeadLetterPlace, type DeadLetters, StoredDeadLetters, toDeadLetter } from './dead-letter.js'
import { type Duration, durationMs, invalid, timeMs, wholeNumber } from './duration.js'
import { BusError, isBusError, toBusError } from './errors.js'
import { handlerCall } from './handler-call.js'
import type { Message } from './message.js'
import type {
  BatchEntry,
  BusReport,
  BusState,
  CallOptions,
  ConsumerDefinition,
  Filter,
  Health,
  MessageBus,
  MessageOf,
  PublishOptions,
  ReplayQuery,
  Stop,
  SubscribeOptions,
} from './message-bus.js'
import { type PoolHost, type PoolSettings, resolvePool } from './pool-settings.js'
import { Publisher } from './publisher.js'
import type { Receipt } from './receipt.js'
import { checkSubject, match, overlap } from './subject.js'
import { Subscriptions } from './subscriptions.js'
import type { Address, AnyTopic } from './topic.js'
import { checkName, difference, type ResolvedConsumer, resolveConsumer, resolveStart } from './topology.js'
import { WorkerPool } from './worker-pool.js'
import type { BatchPoolOptions, Pool, PoolOptions } from './worker-pool-options.js'

/** Error text of a dead letter is cut to the second length when the first makes the message too large for its stream. */
const DEAD_LETTER_ERROR_LENGTHS = [4096, 128] as const

export class Bus implements MessageBus {
  readonly #options: ResolvedBus
  readonly #adapter: Adapter
  readonly #publisher: Publisher
  readonly #subscriptions: Subscriptions
  readonly #pools = new Map<WorkerPool, ResolvedConsumer>()
  #state: BusState = 'new'
  #connecting: Promise<void> | undefined
  #closing: Promise<void> | undefined

  constructor(options: BusOptions) {
    this.#options = resolveBus(options)
    const { adapter, clock, logger } = this.#options
    this.#adapter = adapter
    // Handlers may publish until the last pool has drained.
    this.#publisher = new Publisher(adapter, clock, () => this.#assert('open', 'draining'))
    this.#subscriptions = new Subscriptions({ adapter, clock, logger, nextId: this.#publisher.nextId })
  }

  connect(): Promise<void> {
    this.#assert('new', 'connecting', 'open')
    this.#connecting ??= this.#connect()
    return this.#connecting
  }

  async #connect(): Promise<void> {
    this.#state = 'connecting'
    const { clock, logger, random, streams } = this.#options
    try {
      await this.#adapter.open({ clock, logger, random })
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
    this.#support('live')
    const taken = this.#streamOf(checkSubject(subject))
    if (taken !== undefined)
      throw new BusError(
        'BUS_CONFLICT',
        `[bus] signal to ${subject}: stream ${taken} would store it. Use publish, or another subject`,
      )
    await this.#adapter.signal(this.#subscriptions.signal(subject, data, options.headers))
  }

  async subscribe(
    filter: string | AnyTopic,
    handler: (message: never) => unknown,
    options: SubscribeOptions = {},
  ): Promise<Stop> {
    this.#assert('open')
    const contract = new Contract(filter, this.#options.logger)
    const handle = checkHandler(handler) as (message: ReceivedMessage) => unknown
    if (options.from !== undefined)
      return this.#subscriptions.follow(
        contract,
        this.#streamUnder(contract),
        resolveStart('from', options.from),
        handle,
      )
    this.#support('live')
    return this.#subscriptions.listen(contract, handle)
  }

  async consume(
    definition: ConsumerDefinition,
    handler: (input: never, context: never) => unknown,
    options: PoolOptions & Partial<BatchPoolOptions> = {},
  ): Promise<Pool> {
    this.#assert('open')
    const { defaults, logger, shutdownMs } = this.#options
    const contract = new Contract(definition.filter, logger)
    const consumer = resolveConsumer(
      { ...(defaults.ackWait === undefined ? {} : { ackWait: defaults.ackWait }), ...definition },
      contract.patterns,
    )
    const settings = resolvePool(consumer, { ...defaults.pool, ...options }, shutdownMs)
    this.#checkConsumer(consumer, settings)
    const pool: WorkerPool = new WorkerPool(this.#poolHost(() => this.#pools.delete(pool)),
      settings,
      handlerCall(checkHandler(handler), contract, options.batch !== undefined),
    )
    this.#pools.set(pool, consumer)
    await this.#start(pool)
    return pool
  }

  async #start(pool: WorkerPool): Promise<void> {
    try {
      await pool.start()
      this.#assert('open')
    } catch (thrown) {
      this.#pools.delete(pool)
      await pool.stop()
      throw thrown
    }
  }

  /** Everything that can be known to be wrong before the backend is asked. */
  #checkConsumer(consumer: ResolvedConsumer, settings: PoolSettings): void {
    if (consumer.from === 'last-per-subject') this.#support('lastPerSubject')
    if (consumer.replay === 'original') this.#support('originalReplay')
    const namesake = [...this.#pools.values()].find((other) => other.name === consumer.name)
    const differs = namesake === undefined ? undefined : difference(consumer, namesake)
    if (differs !== undefined)
      throw new BusError(
        'BUS_CONFLICT',
        `[bus] consumer ${consumer.name} runs here with another definition: ${differs}`,
      )
    if (this.#streamOf(settings.deadLetter) !== undefined) return
    throw new BusError(
      'BUS_NO_STREAM',
      `[bus] consumer ${consumer.name}: no declared stream takes its dead letters at ${settings.deadLetter}. Declare one`,
    )
  }

  #poolHost(onStopped: () => void): PoolHost {
    const { adapter, clock, logger, random } = this.#options
    return {
      adapter,
      clock,
      logger,
      random,
      onStopped,
      bury: async (failure, reason, { consumer, deadLetter }) => {
        const letter = (errorLength: number) =>
          toDeadLetter(failure, reason, consumer.name, deadLetter, clock.now(), errorLength)
        const [full, short] = DEAD_LETTER_ERROR_LENGTHS
        await this.#publisher.store(letter(full)).catch((thrown: unknown) => {
          if (!isBusError(thrown, 'BUS_TOO_LARGE')) throw thrown
          return this.#publisher.store(letter(short))
        })
      },
    }
  }

  async *replay<const F extends Filter = string>(query: ReplayQuery<F>): AsyncIterable<MessageOf<F>> {
    this.#assert('open')
    const contract = new Contract(query.filter, this.#options.logger)
    const from = resolveStart('from', query.from ?? 'all')
    if (from === 'last-per-subject') this.#support('lastPerSubject')
    const limit = query.limit === undefined ? Number.POSITIVE_INFINITY : wholeNumber('limit', query.limit, 1)
    const range = { ...replayEnd(query.to), ...(query.signal === undefined ? {} : { signal: query.signal }) }
    let count = 0
    for await (const stored of this.#adapter.read({
      stream: checkName('stream', query.stream),
      filters: contract.patterns,
      from,
      ...range,
    })) {
      yield (await contract.open(stored)) as unknown as MessageOf<F>
      if (++count >= limit) return
    }
  }

  async last(subject: string): Promise<Message | undefined> {
    this.#assert('open')
    const stream = this.#streamOf(checkSubject(subject))
    if (stream === undefined)
      throw new BusError('BUS_NO_STREAM', `[bus] no declared stream takes ${subject}. Declare it in the bus's streams`)
    for await (const stored of this.#adapter.read({ stream, filters: [subject], from: 'last' }))
      return new ReceivedMessage(stored)
    return undefined
  }

  async get(stream: string, sequence: number): Promise<Message | undefined> {
    this.#assert('open')
    const at = wholeNumber('sequence', sequence, 1)
    const query = { stream: checkName('stream', stream), filters: ['>'], from: { sequence: at }, toSequence: at }
    for await (const stored of this.#adapter.read(query)) return new ReceivedMessage(stored)
    return undefined
  }

  async request(subject: string, data: unknown, options: CallOptions = {}): Promise<unknown> {
    this.#assert('open', 'draining')
    this.#support('request')
    const timeoutMs = durationMs('timeout', options.timeout ?? '5s', { min: 1 })
    return this.#subscriptions.request(checkSubject(subject), data, options.headers, timeoutMs)
  }

  async respond(pattern: string, handler: (message: Message) => unknown): Promise<Stop> {
    this.#assert('open')
    this.#support('request')
    const [checked = pattern] = new Contract(pattern, this.#options.logger).patterns
    return this.#subscriptions.respond(checked, checkHandler(handler))
  }

  deadLetters(consumer: string, subject?: string): DeadLetters {
    checkName('consumer name', consumer)
    const running = [...this.#pools.keys()].find((pool) => pool.consumer === consumer)
    const at = checkSubject(subject ?? running?.deadLetter ?? `dead.${consumer}`)
    const stream = this.#streamOf(at)
    if (stream === undefined)
      throw new BusError('BUS_NO_STREAM', `[bus] no declared stream takes dead letters at ${at}. Declare one`)
    const place: DeadLetterPlace = {
      consumer,
      subject: at,
      stream,
      adapter: () => {
        this.#assert('open')
        return this.#adapter
      },
      publish: (message) => this.#publisher.store(message),
      assertRemovable: () => this.#support('remove'),
    }
    return new StoredDeadLetters(place)
  }

  async health(): Promise<Health> {
    const { name: adapter } = this.#adapter
    const state = this.#state
    if (state !== 'open' && state !== 'draining')
      return { status: 'down', adapter, state, reasons: [`the bus is ${state}`] }
    const { connected, notes } = await this.#adapter.inspect()
    const paused = [...this.#pools.keys()]
      .filter((pool) => pool.stats().paused)
      .map((pool) => `the pool of ${pool.consumer} is paused`)
    const reasons = [...(connected ? [] : ['the backend is not connected']), ...notes, ...paused]
    const status = !connected ? 'down' : reasons.length > 0 ? 'degraded' : 'ok'
    return { status, adapter, state, reasons }
  }

  async guarantees(): Promise<readonly Guarantee[]> {
    this.#assert('open', 'draining')
    return (await this.#adapter.inspect()).guarantees
  }

  async inspect(): Promise<BusReport> {
    this.#assert('open', 'draining')
    const pools = [...this.#pools.keys()].map((pool) => ({ consumer: pool.consumer, stats: pool.stats() }))
    return { ...(await this.#adapter.inspect()), adapter: this.#adapter.name, state: this.#state, pools }
  }

  async close(options: { readonly within?: Duration } = {}): Promise<void> {
    const withinMs = options.within === undefined ? this.#options.shutdownMs : durationMs('within', options.within)
    this.#closing ??= this.#close(withinMs)
    return this.#closing
  }

  async #close(withinMs: number): Promise<void> {
    const { clock } = this.#options
    const deadline = clock.monotonic() + withinMs
    const wasClosed = this.#state === 'closed'
    this.#state = 'draining'
    // Stopped before anything is awaited: from the call of close() on, no pool starts a handler.
    const stopped = [...this.#pools.keys()].map((pool) => pool.stop({ within: withinMs }))
    await this.#connecting?.catch(() => {})
    await Promise.all(stopped)
    if (!wasClosed) await withTimeLimit(this.#subscriptions.stop(), deadline - clock.monotonic(), clock)
    this.#state = 'closed'
    await this.#adapter.close()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  /** The declared stream that takes a subject. */
  #streamOf(subject: string): string | undefined {
    return this.#options.streams.find((stream) => stream.subjects.some((pattern) => match(pattern, subject)))?.name
  }

  /** The one declared stream that a reader's patterns lie in. */
  #streamUnder(contract: Contract): string {
    const streams = this.#options.streams.filter((stream) =>
      stream.subjects.some((subject) => contract.patterns.some((pattern) => overlap(subject, pattern))),
    )
    const [first, second] = streams
    if (first === undefined)
      throw new BusError(
        'BUS_NO_STREAM',
        `[bus] no declared stream takes ${contract.patterns.join(', ')}. Declare it in the bus's streams`,
      )
    if (second !== undefined)
      throw invalid(
        'filter',
        contract.patterns.join(', '),
        `a pattern within one stream; this one reaches ${first.name} and ${second.name}`,
      )
    return first.name
  }

  #assert(...states: readonly BusState[]): void {
    if (states.includes(this.#state)) return
    const remedy = this.#state === 'new' || this.#state === 'connecting' ? 'Await connect() first' : 'Create a new bus'
    throw new BusError('BUS_CLOSED', `[bus] the bus is ${this.#state}. ${remedy}`)
  }

  #support(capability: 'live' | 'request' | 'remove' | 'lastPerSubject' | 'originalReplay'): void {
    if (this.#adapter.supports[capability]) return
    throw new BusError(
      'BUS_UNSUPPORTED',
      `[${this.#adapter.name}] ${capability} is not supported by this backend. guarantees() and the README say which one has it`,
    )
  }
}

/** Throws a `BusError` for a bad option. Nothing is opened: `await bus.connect()` does that. */
export function createBus(options: BusOptions): MessageBus {
  return new Bus(options)
}

function checkHandler<Handler>(handler: Handler): Handler {
  if (typeof handler === 'function') return handler
  throw invalid('handler', handler, 'a function')
}

function replayEnd(to: ReplayQuery['to']): { toSequence?: number; toTimeMs?: number } {
  if (to === undefined) return {}
  if (typeof to === 'object' && to !== null && 'sequence' in to)
    return { toSequence: wholeNumber('to.sequence', to.sequence, 1) }
  if (typeof to === 'object' && to !== null && 'time' in to) return { toTimeMs: timeMs('to.time', to.time) }
  throw invalid('to', to, '{ sequence } or { time }')
}
