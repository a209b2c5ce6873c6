/**
 * The handlers running for one consumer in one process: feed -> lanes -> handler -> settlement. It owns concurrency, credit, time limits
 * and stopping. What it holds is `intake.ts`, what becomes of a message is `settler.ts`; the backend is spoken to through the port only.
 *
 *            +--- lanes: behind its key <---+
 *            v                              |
 *   feed -> ready -- start --> running -- ack, term --> settled
 *            |                    |
 *            | stop               +-- nak(delay) --> away, until the backend brings it back
 *            v
 *         released
 *
 *   open --- pause() ---> paused --- resume() ---> open
 *     +------ stop() -------+--> draining --- handlers ended, or deadline ---> stopped
 *
 * Credit counts what could run now. A delivery that waits behind its key holds no credit, so one failing key starves no other; what
 * waits is bounded by the consumer's `maxInFlight`, on the backend's side.
 */
import type { Delivery, Feed, Sink } from './adapter.js'
import { Attempt, type AttemptOwner, type Held } from './attempt.js'
import { type Timer, withTimeLimit } from './clock.js'
import { Deadlines } from './deadlines.js'
import { type Duration, durationMs, optionsOf } from './duration.js'
import { BusError } from './errors.js'
import { Intake } from './intake.js'
import { REDRIVE_HEADER, type StoredMessage } from './message.js'
import type { PoolHost, PoolSettings } from './pool-settings.js'
import { Prefetch } from './prefetch.js'
import { deliveriesOf, Settler } from './settler.js'
import type { Begun } from './transaction.js'
import type { Pool, PoolStats, StopReport } from './worker-pool-options.js'

export class WorkerPool implements Pool, Sink, AttemptOwner {
  readonly consumer: string
  readonly attempts: number
  /** Where its dead letters go. */
  readonly deadLetter: string
  readonly #host: PoolHost
  readonly #settings: PoolSettings
  readonly #call: (attempt: Attempt) => unknown
  readonly #intake: Intake
  readonly #settler: Settler
  readonly #limits: Deadlines<Attempt>
  readonly #prefetch: Prefetch
  #feed: Feed | undefined
  #granted = 0
  /** Handler calls. */
  #running = 0
  #batchTimer: Timer | undefined
  #isPaused = false
  #stopping: Promise<StopReport> | undefined
  #onIdle: (() => void) | undefined

  /** @param call runs the handler for an attempt */
  constructor(host: PoolHost, settings: PoolSettings, call: (attempt: Attempt) => unknown) {
    this.consumer = settings.consumer.name
    this.attempts = settings.retry.attempts
    this.deadLetter = settings.deadLetter
    this.#host = host
    this.#settings = settings
    this.#call = call
    this.#prefetch = new Prefetch(settings.prefetch)
    this.#intake = new Intake(host.clock, settings.consumer, (held) => this.#settler.extend(held))
    this.#settler = new Settler(host, settings, this.#intake, () => this.#pump())
    this.#limits = new Deadlines(host.clock, settings.timeoutMs, (attempt: Attempt) => this.#timeOut(attempt))
  }

  async start(): Promise<void> {
    this.#feed = await this.#host.adapter.attach(this.#settings.consumer, this)
    this.#pump()
  }

  stats(): PoolStats {
    const { ready, behind, size } = this.#intake
    const waiting = ready + behind
    const away = this.#settler.failures.count((sequence) => !this.#intake.has(sequence))
    const lag = (this.#feed?.pending() ?? 0) + size + away
    return { ...this.#settler.counts, inFlight: size - waiting, waiting, lag, paused: this.#isPaused }
  }

  pause(): void {
    this.#isPaused = true
  }

  resume(): void {
    this.#isPaused = false
    this.#pump()
  }

  async stop(options: { readonly within?: Duration } = {}): Promise<StopReport> {
    const { within } = optionsOf('options', options)
    this.#stopping ??= this.#drain(within === undefined ? this.#settings.stopWithinMs : durationMs('within', within))
    return this.#stopping
  }

  // Sink: the backend's side.

  deliver(deliveries: readonly Delivery[]): void {
    this.#granted -= deliveries.length
    if (this.#stopping !== undefined) {
      void this.#settler.release(deliveries)
      return
    }
    for (const delivery of deliveries) this.#intake.take(delivery)
    this.#pump()
  }

  awaiting(messages: readonly StoredMessage[]): void {
    for (const message of messages) this.#intake.expect(message)
  }

  gone(messages: readonly StoredMessage[]): void {
    for (const message of messages) {
      this.#settler.failures.delete(message.sequence)
      this.#intake.forget(message)
    }
    this.#pump()
  }

  // From ready to running.

  /** Called after every change: starts what may start, asks for more when there is room, notices the end of a drain. */
  #pump(now?: number): void {
    if (this.#stopping !== undefined) return this.#checkIdle()
    if (this.#isPaused) return
    const { concurrency, batchSize } = this.#settings
    while (this.#running < concurrency && this.#intake.ready > 0 && this.#isBatchDue()) this.#start(now)
    const prefetch = this.#prefetch.size
    const room = concurrency * batchSize + prefetch - (this.#intake.size - this.#intake.behind) - this.#granted
    // Asked for in portions, because a request costs the backend more than a message does.
    if (room < 1 || room < Math.floor(prefetch / 2)) return
    this.#granted += room
    this.#feed?.grant(room)
  }

  /** A full batch is due at once; a smaller one when its first message has waited long enough. */
  #isBatchDue(): boolean {
    if (this.#intake.ready >= this.#settings.batchSize) return true
    this.#awaitBatch()
    return false
  }

  #awaitBatch(): void {
    const { batchWithinMs, concurrency } = this.#settings
    this.#batchTimer ??= this.#host.clock.timer(batchWithinMs, () => {
      this.#batchTimer = undefined
      if (!this.#isPaused && this.#stopping === undefined && this.#running < concurrency) this.#start()
      this.#pump()
    })
  }

  /** @param now `clock.monotonic()`, when the caller has just read it: it costs as much as a map entry */
  #start(now = this.#host.clock.monotonic()): void {
    const batch = this.#settings.batchSize === 1 ? this.#nextOne(now) : this.#nextBatch(now)
    if (batch === undefined) return
    const attempt = new Attempt(this, batch)
    this.#running++
    for (const held of batch) held.running = attempt
    if (this.#settings.timeoutMs > 0) this.#limits.add(attempt, now)
    attempt.run(this.#call)
  }

  #nextOne(now: number): readonly [Held] | undefined {
    const held = this.#intake.next()
    return held !== undefined && this.#mustRun(held, now) ? [held] : undefined
  }

  #nextBatch(now: number): readonly Held[] | undefined {
    const batch: Held[] = []
    while (batch.length < this.#settings.batchSize) {
      const held = this.#intake.next()
      if (held === undefined) break
      if (this.#mustRun(held, now)) batch.push(held)
    }
    return batch.length === 0 ? undefined : batch
  }

  /** Settles at once what needs no handler. */
  #mustRun(held: Held, now: number): boolean {
    const redriveFor = held.message.headers[REDRIVE_HEADER]
    if (held.isGone) this.#intake.settled(held)
    else if (this.#intake.isLate(held, now)) this.#settler.giveUp(held)
    else if (this.#settler.skipDuplicate(held, now)) return false
    else if (redriveFor !== undefined && redriveFor !== this.consumer) this.#settler.skip(held)
    else if (held.attempt > this.attempts) this.#settler.exhausted(held)
    else return true
    return false
  }

  // AttemptOwner: the handler's side.

  succeeded(attempt: Attempt, failures: ReadonlyMap<Held, unknown> | undefined): void {
    const now = this.#host.clock.monotonic()
    this.#prefetch.handled(attempt.held.length, now)
    this.#end(attempt)
    this.#settler.succeeded(
      failures === undefined ? attempt.held : attempt.held.filter((held) => !failures.has(held)),
      now,
    )
    if (failures !== undefined) for (const [held, error] of failures) this.#settler.failed(held, error)
    this.#pump(now)
  }

  failed(attempt: Attempt, error: unknown, failures?: ReadonlyMap<Held, unknown>): void {
    this.#end(attempt)
    for (const held of attempt.held)
      this.#settler.failed(held, failures?.has(held) === true ? failures.get(held) : error)
    this.#pump()
  }

  working(held: readonly Held[]): void {
    this.#settler.extend(held)
  }

  begin(held: readonly Held[]): Begun {
    return this.#host.begin(deliveriesOf(held))
  }

  #timeOut(attempt: Attempt): void {
    const { timeoutMs } = this.#settings
    const error = new BusError('BUS_TIMEOUT', `[bus] the handler of ${this.consumer} took longer than ${timeoutMs} ms`)
    if (attempt.abort(error)) this.failed(attempt, error)
  }

  #end(attempt: Attempt): void {
    this.#running--
    for (const held of attempt.held) held.running = undefined
    this.#limits.remove(attempt)
  }

  // Stopping.

  async #drain(withinMs: number): Promise<StopReport> {
    const stopped = this.#feed?.stop()
    this.#batchTimer?.cancel()
    const unstarted = this.#intake.drain()
    const running = this.#intake.size
    await this.#settler.release(deliveriesOf(unstarted))
    await withTimeLimit(this.#idle(), withinMs, this.#host.clock)
    const aborted = this.#abortAll()
    this.#limits.clear()
    this.#intake.close()
    await stopped
    this.#host.onStopped()
    return { finished: running - aborted, released: unstarted.length, aborted }
  }

  #idle(): Promise<void> {
    return new Promise((resolve) => {
      this.#onIdle = resolve
      this.#checkIdle()
    })
  }

  #checkIdle(): void {
    if (this.#running === 0 && this.#settler.underWay === 0) this.#onIdle?.()
  }

  /** Hands back what did not end in time. @returns how many messages */
  #abortAll(): number {
    const error = new BusError('BUS_TIMEOUT', `[bus] the pool of ${this.consumer} was stopped before the handler ended`)
    let aborted = 0
    for (const attempt of new Set(this.#intake.running())) {
      if (!attempt.abort(error)) continue
      this.#end(attempt)
      this.#settler.cutShort(attempt.held)
      aborted += attempt.held.length
    }
    return aborted
  }
}
