/**
 * The inner backend, which may be down when a process starts: the ledger accepts all the same. What needs the backend is done when it is there
 * (`whenOpen`), in order and for as long as it takes; until then it takes nothing, and says why.
 *
 *   open() -- it answers -----------------------------> open
 *      +----- it is out of reach ---> late -- it answers --+
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
import type { Timer } from '../../src/clock.js'
import { BusError, describeThrown, isBusError } from '../../src/errors.js'
import type { Outgoing } from '../../src/message.js'
import type { ResolvedConsumer, ResolvedStream } from '../../src/topology.js'

const RETRY_MS = 500

export class LateInner implements Adapter {
  readonly name: string
  readonly supports: Capabilities
  readonly maxMessageBytes?: () => number
  readonly #inner: Adapter
  readonly #works: (() => Promise<unknown>)[] = []
  #host: AdapterHost | undefined
  #isOpen = false
  #trouble = ''
  #isClosed = false
  #working: Promise<void> | undefined
  #timer: Timer | undefined

  constructor(inner: Adapter) {
    this.#inner = inner
    this.name = inner.name
    this.supports = inner.supports
    if (inner.maxMessageBytes !== undefined)
      this.maxMessageBytes = () => inner.maxMessageBytes?.() ?? Number.POSITIVE_INFINITY
  }

  /** Resolves when it is open, or as soon as it is known to be out of reach. */
  async open(host: AdapterHost): Promise<void> {
    this.#host = host
    try {
      await this.#inner.open(host)
      this.#isOpen = true
    } catch (thrown) {
      if (!isBusError(thrown, 'BUS_UNAVAILABLE')) throw thrown
      this.#noteTrouble(thrown)
      this.#works.push(() => this.#openLate(host))
      this.#later()
    }
  }

  /** Resolves when it is done, or as soon as it has to wait: it is repeated then until it succeeds. Rejects with what time does not mend. */
  async whenOpen(work: () => Promise<unknown>): Promise<void> {
    if (this.#works.length > 0) return void this.#works.push(work)
    try {
      await work()
    } catch (thrown) {
      if (!(thrown instanceof BusError) || !thrown.retryable) throw thrown
      this.#noteTrouble(thrown)
      this.#works.push(work)
      this.#later()
    }
  }

  async #openLate(host: AdapterHost): Promise<void> {
    await this.#inner.open(host)
    this.#isOpen = true
    host.logger.log('info', `[dual] the ${this.name} backend is there: what waits is relayed`)
  }

  #later(): void {
    if (this.#isClosed || this.#working !== undefined) return
    this.#timer?.cancel()
    this.#timer = this.#host?.clock.timer(RETRY_MS, () => {
      this.#working = this.#work().finally(() => {
        this.#working = undefined
        if (this.#works.length > 0) this.#later()
      })
    })
  }

  async #work(): Promise<void> {
    for (let work = this.#works[0]; work !== undefined && !this.#isClosed; work = this.#works[0]) {
      try {
        await work()
        this.#trouble = ''
        this.#works.shift()
      } catch (thrown) {
        this.#noteTrouble(thrown)
        return
      }
    }
  }

  #noteTrouble(thrown: unknown): void {
    const trouble = describeThrown(thrown)
    const what = `[dual] the ${this.name} backend cannot be used yet; messages are accepted, and wait`
    if (trouble !== this.#trouble) this.#host?.logger.log('warn', what, { error: trouble })
    this.#trouble = trouble
  }

  // The port, for now.

  publish(batch: readonly Outgoing[], timeoutMs: number) {
    if (this.#isOpen) return this.#inner.publish(batch, timeoutMs)
    return batch.map((): PublishOutcome => ({ status: 'rejected', error: this.#absent() }))
  }

  async inspect(): Promise<AdapterReport> {
    if (this.#isOpen) return this.#inner.inspect()
    return { connected: false, notes: [this.#trouble], streams: [], consumers: [], guarantees: [] }
  }

  async close(): Promise<void> {
    this.#isClosed = true
    this.#timer?.cancel()
    await this.#inner.close()
    await this.#working
  }

  async provision(streams: readonly ResolvedStream[]): Promise<ProvisionReport> {
    return this.#open().provision(streams)
  }

  async attach(consumer: ResolvedConsumer, sink: Sink): Promise<Feed> {
    return this.#open().attach(consumer, sink)
  }

  settle(deliveries: readonly Delivery[], settlement: Settlement): void | Promise<void> {
    return this.#open().settle(deliveries, settlement)
  }

  read(query: ReadQuery): Reading {
    return this.#open().read(query)
  }

  async remove(stream: string, sequences: readonly number[]): Promise<number> {
    return this.#open().remove(stream, sequences)
  }

  signal(signal: Signal): void | Promise<void> {
    return this.#open().signal(signal)
  }

  async listen(pattern: string, listener: Listener, share?: string): Promise<Listening> {
    return this.#open().listen(pattern, listener, share)
  }

  async request(signal: Signal, timeoutMs: number): Promise<Signal> {
    return this.#open().request(signal, timeoutMs)
  }

  #open(): Adapter {
    if (!this.#isOpen) throw this.#absent()
    return this.#inner
  }

  #absent(): BusError {
    const problem = `the ${this.name} backend was not there when the bus connected, and is not yet. Look whether it runs`
    return new BusError('BUS_UNAVAILABLE', `[dual] ${problem}`, { retryable: true })
  }
}
