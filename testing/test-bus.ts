/**
 * `TestBus`: a real bus on the real memory adapter, on a clock that the test owns. Retries, delays and ack waits of hours pass in
 * milliseconds; what was published and settled can be asked for afterwards; faults are one call away. Needs no test runner.
 */
import { setImmediate as turn } from 'node:timers/promises'
import { memory } from '../adapters/memory/index.js'
import type { Settlement } from '../src/adapter.js'
import { createBus } from '../src/bus.js'
import type { BusOptions } from '../src/bus-options.js'
import { ReceivedMessage } from '../src/contract.js'
import { type Duration, durationMs, wholeNumber } from '../src/duration.js'
import { BusError } from '../src/errors.js'
import type { Message, Outgoing } from '../src/message.js'
import type { MessageBus } from '../src/message-bus.js'
import { checkPattern, match } from '../src/subject.js'
import { FaultyAdapter, type Operation, type SettlementRecord } from './faulty-adapter.js'
import { randomOf } from './run-number.js'
import { VirtualClock } from './virtual-clock.js'

export interface TestBusOptions extends Omit<BusOptions, 'adapter' | 'clock' | 'random'> {
  /** Fixes every random choice: order of hand-out, jitter. Default 1. */
  readonly run?: number
}

/** How long `settled()` waits for handlers that do I/O of their own, in real ms. */
const SETTLED_WITHIN_MS = 5000

export class TestBus implements AsyncDisposable {
  readonly bus: MessageBus
  readonly clock: VirtualClock
  readonly #adapter: FaultyAdapter
  #waiters: (() => void)[] = []

  private constructor(options: TestBusOptions) {
    const { run = 1, ...busOptions } = options
    const random = randomOf(wholeNumber('run', run, 0))
    this.clock = new VirtualClock(random)
    this.#adapter = new FaultyAdapter(memory(), this.clock, random)
    this.#adapter.onChange = () => this.#wake()
    this.bus = createBus({ ...busOptions, adapter: this.#adapter, clock: this.clock, random })
  }

  /** A connected bus. */
  static async start(options: TestBusOptions = {}): Promise<TestBus> {
    const test = new TestBus(options)
    await test.bus.connect()
    return test
  }

  // Time.

  /** Lets that much time pass, and everything happen that falls into it. */
  async advance(time: Duration): Promise<void> {
    await this.clock.advance(durationMs('advance', time))
  }

  /** Resolves when every handler has ended and nothing more happens without time passing. */
  async settled(): Promise<void> {
    const deadline = performance.now() + SETTLED_WITHIN_MS
    await this.clock.quiet()
    while (this.#adapter.inHand > 0) {
      if (performance.now() > deadline) {
        throw new BusError(
          'BUS_TIMEOUT',
          `[test] ${this.#adapter.inHand} deliveries are still in the hands of a handler. If it waits for time to pass, call advance()`,
        )
      }
      await turn()
      await this.clock.quiet()
    }
  }

  // Spies: they answer for the past too.

  /** Accepted messages whose subject the pattern takes, in order. */
  published(pattern = '>'): readonly Message[] {
    const checked = checkPattern(pattern)
    return this.#adapter.accepted
      .filter((message) => match(checked, message.subject))
      .map((message) => this.#asMessage(message))
  }

  /** The first accepted message that the pattern takes and `where` holds for: one already there, or the next one to come. */
  async firstPublished(pattern: string, where: (message: Message) => boolean = () => true): Promise<Message> {
    for (;;) {
      const found = this.published(pattern).find(where)
      if (found !== undefined) return found
      await new Promise<void>((resolve) => this.#waiters.push(resolve))
    }
  }

  /** What became of the deliveries of a consumer (or of all), in order. */
  settlements(consumer?: string): readonly SettlementRecord[] {
    return this.#adapter.settlements.filter((record) => consumer === undefined || record.consumer === consumer)
  }

  // Faults.

  /** The next calls of an operation fail with a retryable error; a publish then ends as unknown. */
  failNext(operation: Operation, times = 1): void {
    for (let count = 0; count < wholeNumber('times', times, 1); count++) {
      this.#adapter.failNext(operation, new BusError('BUS_UNAVAILABLE', `[test] ${operation} was made to fail`))
    }
  }

  /** The next settlement of that kind never reaches the backend, as if the process had died before it. */
  crashBefore(settlement: Exclude<Settlement['kind'], 'working'>): void {
    this.#adapter.crashBefore(settlement)
  }

  /** The next delivery is made twice. */
  duplicateNext(): void {
    this.#adapter.duplicateNext()
  }

  /** The next delivery arrives late. */
  delayNext(time: Duration): void {
    this.#adapter.delayNext(durationMs('delay', time))
  }

  /** Stops the pools without waiting for time to pass, and closes the bus. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.bus.close({ within: 0 })
  }

  #asMessage(message: Outgoing): Message {
    const { id, subject, key, headers, payload } = message
    return new ReceivedMessage({ id, subject, key, headers, payload, stream: '', sequence: 0, time: 0 })
  }

  #wake(): void {
    const waiters = this.#waiters
    this.#waiters = []
    for (const wake of waiters) wake()
  }
}
