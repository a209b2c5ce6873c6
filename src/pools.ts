/**
 * The worker pools of a bus: checks what a caller asks for, starts them, gives them what they need from the bus, stops them together.
 */
import type { ResolvedBus } from './bus-options.js'
import { Contract } from './contract.js'
import { toDeadLetter } from './dead-letter.js'
import { invalid, optionsOf } from './duration.js'
import { BusError, isBusError } from './errors.js'
import { checkHandler, handlerCall } from './handler-call.js'
import { requireLedger } from './ledger-calls.js'
import type { ConsumerDefinition } from './message-bus.js'
import { type PoolHost, type PoolSettings, resolvePool } from './pool-settings.js'
import type { Publisher } from './publisher.js'
import { mergeReports } from './stop-report.js'
import type { StreamMap } from './stream-map.js'
import { assertSupported } from './support.js'
import { difference, type ResolvedConsumer, resolveConsumer } from './topology.js'
import { beginWork } from './transaction.js'
import { WorkerPool } from './worker-pool.js'
import type { BatchPoolOptions, PoolOptions, PoolStats, StopReport } from './worker-pool-options.js'

/** Error text of a dead letter is cut to the next length when it makes the message too large for its stream. */
const [FULL_ERROR, SHORT_ERROR, NO_ERROR] = [4096, 128, 0] as const

export class Pools {
  readonly #bus: ResolvedBus
  readonly #streams: StreamMap
  readonly #publisher: Publisher
  readonly #running = new Map<WorkerPool, ResolvedConsumer>()

  constructor(bus: ResolvedBus, streams: StreamMap, publisher: Publisher) {
    this.#bus = bus
    this.#streams = streams
    this.#publisher = publisher
  }

  /** @param assertOpen throws when the bus was closed while the pool started */
  async start(
    definition: ConsumerDefinition,
    handler: (input: never, context: never) => unknown,
    options: PoolOptions & Partial<BatchPoolOptions>,
    assertOpen: () => void,
  ): Promise<WorkerPool> {
    if (typeof definition !== 'object' || definition === null)
      throw invalid('consumer', definition, '{ name, stream, … }')
    const { defaults, logger, shutdownMs } = this.#bus
    const contract = new Contract(definition.filter, logger)
    const ackWait = defaults.ackWait === undefined ? {} : { ackWait: defaults.ackWait }
    const consumer = resolveConsumer({ ...ackWait, ...definition }, contract.patterns)
    const settings = resolvePool(consumer, { ...defaults.pool, ...optionsOf('options', options) }, shutdownMs)
    const call = handlerCall(checkHandler(handler), contract, options.batch !== undefined)
    this.#check(consumer, settings)
    const pool: WorkerPool = new WorkerPool(
      this.#host(() => this.#running.delete(pool)),
      settings,
      call,
    )
    this.#running.set(pool, consumer)
    try {
      await pool.start()
      assertOpen()
      return pool
    } catch (thrown) {
      await pool.stop()
      throw thrown
    }
  }

  /** What `inspect()` says of them. */
  report(): { readonly consumer: string; readonly stats: PoolStats }[] {
    return [...this.#running.keys()].map((pool) => ({ consumer: pool.consumer, stats: pool.stats() }))
  }

  /** Where the dead letters of a consumer go that runs here. */
  deadLetterOf(consumer: string): string | undefined {
    return [...this.#running.keys()].find((pool) => pool.consumer === consumer)?.deadLetter
  }

  /** From the moment of the call on, no pool starts a handler. */
  async stop(withinMs: number): Promise<StopReport> {
    return mergeReports(await Promise.all([...this.#running.keys()].map((pool) => pool.stop({ within: withinMs }))))
  }

  /** Everything that can be known to be wrong before the backend is asked. */
  #check(consumer: ResolvedConsumer, settings: PoolSettings): void {
    const { name, from, replay } = consumer
    if (from === 'last-per-subject') assertSupported(this.#bus.adapter, 'lastPerSubject')
    if (replay === 'original') assertSupported(this.#bus.adapter, 'originalReplay')
    const namesake = [...this.#running.values()].find((other) => other.name === name)
    const differs = namesake === undefined ? undefined : difference(consumer, namesake)
    if (differs !== undefined)
      throw new BusError('BUS_CONFLICT', `[bus] consumer ${name} runs here with another definition: ${differs}`)
    this.#streams.require(settings.deadLetter, `dead letters of consumer ${name}`)
  }

  #host(onStopped: () => void): PoolHost {
    const { adapter, clock, logger, random } = this.#bus
    const prepare = this.#publisher.prepare.bind(this.#publisher)
    const begin: PoolHost['begin'] = (deliveries) => beginWork(requireLedger(adapter).begin(deliveries), prepare)
    return { adapter, clock, logger, random, onStopped, begin, bury: (...letter) => this.#bury(...letter) }
  }

  async #bury(...[failure, reason, { consumer, deadLetter }, delivery]: Parameters<PoolHost['bury']>): Promise<void> {
    const { adapter, clock } = this.#bus
    const store = (errorLength: number): Promise<unknown> => {
      const letter = toDeadLetter(failure, reason, consumer.name, deadLetter, clock.now(), errorLength)
      return adapter.ledger === undefined
        ? this.#publisher.store(letter)
        : this.#publisher.bury(adapter.ledger, delivery, letter)
    }
    const orElse = (errorLength: number) => (thrown: unknown) => {
      if (!isBusError(thrown, 'BUS_TOO_LARGE')) throw thrown
      return store(errorLength)
    }
    await store(FULL_ERROR).catch(orElse(SHORT_ERROR)).catch(orElse(NO_ERROR))
  }
}
