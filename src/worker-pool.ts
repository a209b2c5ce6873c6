/**
 * The handlers running for one consumer in one process: feed -> lanes -> handler -> settlement. It owns concurrency, credit, retries,
 * the consumer's dedup window, time limits and heartbeats, and speaks to the backend through the port only.
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
import type { Delivery, Feed, Settlement, Sink } from './adapter.js'
import { Attempt, type AttemptOwner, type Held } from './attempt.js'
import type { Timer } from './clock.js'
import { Deadlines } from './deadlines.js'
import { DedupWindow } from './dedup-window.js'
import { type Duration, durationMs } from './duration.js'
import { BusError, describeThrown } from './errors.js'
import { type Failure, FailureLog } from './failure-log.js'
import { Intake } from './intake.js'
import type { LogFields, LogLevel } from './logger.js'
import { REDRIVE_HEADER, type StoredMessage } from './message.js'
import type { PoolHost, PoolSettings } from './pool-settings.js'
import { type DeadReason, decide } from './retry.js'
import type { Pool, PoolStats, StopReport } from './worker-pool-options.js'

const ACK: Settlement = { kind: 'ack' }
const RELEASE: Settlement = { kind: 'release' }
const WORKING: Settlement = { kind: 'working' }
/** Wait before trying again to store a dead letter: its stream may be full, or the backend away. */
const DEAD_LETTER_RETRY_MS = 1000
/** Ids that a consumer's dedup window remembers at most; about 10 MB. */
const DEDUP_MAX_IDS = 50_000

export class WorkerPool implements Pool, Sink, AttemptOwner {
  readonly consumer: string
  readonly attempts: number
  /** Where its dead letters go. */
  readonly deadLetter: string
  readonly #host: PoolHost
  readonly #settings: PoolSettings
  readonly #call: (attempt: Attempt) => unknown
  readonly #intake: Intake
  readonly #failures = new FailureLog()
  readonly #handled: DedupWindow<true>
  readonly #limits: Deadlines<Attempt>
  readonly #counts = { handled: 0, failed: 0, retried: 0, dead: 0, duplicates: 0 }
  #feed: Feed | undefined
  #granted = 0
  /** Handler calls. */
  #running = 0
  /** Settlements and dead letters on their way to the backend. */
  #settling = 0
  #batchTimer: Timer | undefined
  #paused = false
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
    this.#intake = new Intake(host.clock, settings.consumer, (held) => this.working(held))
    this.#handled = new DedupWindow(settings.dedupMs, DEDUP_MAX_IDS)
    this.#limits = new Deadlines<Attempt>(host.clock, settings.timeoutMs, (attempt) => this.#timeOut(attempt))
  }

  async start(): Promise<void> {
    this.#feed = await this.#host.adapter.attach(this.#settings.consumer, this)
    this.#pump()
  }

  stats(): PoolStats {
    const waiting = this.#intake.ready + this.#intake.behind
    const away = this.#failures.count((sequence) => !this.#intake.has(sequence))
    const lag = (this.#feed?.pending() ?? 0) + this.#intake.size + away
    return { ...this.#counts, inFlight: this.#intake.size - waiting, waiting, lag, paused: this.#paused }
  }

  pause(): void {
    this.#paused = true
  }

  resume(): void {
    this.#paused = false
    this.#pump()
  }

  stop(options: { readonly within?: Duration } = {}): Promise<StopReport> {
    if (this.#stopping === undefined) {
      const withinMs = options.within === undefined ? this.#settings.stopWithinMs : durationMs('within', options.within)
      this.#stopping = this.#drain(withinMs)
    }
    return this.#stopping
  }

  // Sink: the backend's side.

  deliver(deliveries: readonly Delivery[]): void {
    this.#granted -= deliveries.length
    if (this.#stopping !== undefined) {
      void this.#send(deliveries, RELEASE)
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
      this.#failures.delete(message.sequence)
      this.#intake.forget(message)
    }
    this.#pump()
  }

  // From ready to running.

  #pump(): void {
    if (this.#paused || this.#stopping !== undefined) return
    const { concurrency, capacity } = this.#settings
    while (this.#running < concurrency && this.#intake.ready > 0 && this.#batchIsDue()) this.#start()
    const room = capacity - (this.#intake.size - this.#intake.behind) - this.#granted
    // Asked for in portions, because each request costs the backend more than a message does.
    if (room < this.#settings.portion) return
    this.#granted += room
    this.#feed?.grant(room)
  }

  /** A full batch is due at once; a smaller one when its first message has waited long enough. */
  #batchIsDue(): boolean {
    const { batchSize, batchWithinMs } = this.#settings
    if (this.#intake.ready >= batchSize) return true
    this.#batchTimer ??= this.#host.clock.timer(batchWithinMs, () => {
      this.#batchTimer = undefined
      if (!this.#paused && this.#stopping === undefined && this.#running < this.#settings.concurrency) this.#start()
      this.#pump()
    })
    return false
  }

  #start(): void {
    const now = this.#host.clock.monotonic()
    const batch: Held[] = []
    while (batch.length < this.#settings.batchSize) {
      const held = this.#intake.next()
      if (held === undefined) break
      if (this.#mustRun(held, now)) batch.push(held)
    }
    if (batch.length === 0) return
    const attempt = new Attempt(this, batch)
    this.#running++
    for (const held of batch) held.running = attempt
    if (this.#settings.timeoutMs > 0) this.#limits.add(attempt, now)
    attempt.run(this.#call)
  }

  /** Settles at once what needs no handler. */
  #mustRun(held: Held, now: number): boolean {
    const { message } = held
    const redriveFor = message.headers[REDRIVE_HEADER]
    const isDuplicate = this.#handled.get(message.id, now) === true
    if (isDuplicate || (redriveFor !== undefined && redriveFor !== this.consumer)) {
      if (isDuplicate) this.#counts.duplicates++
      this.#settle([held], ACK)
      return false
    }
    if (held.attempt <= this.attempts) return true
    this.#bury(held, this.#unanswered(held), 'exhausted')
    return false
  }

  /** The story of a message whose attempts were used up by processes that never said how they ended (JS-S9). */
  #unanswered(held: Held): Failure {
    const attempts = held.attempt - 1
    const known = this.#failures.get(held.message.sequence)
    if (known !== undefined) return { ...known, attempts }
    const error = new BusError(
      'BUS_TIMEOUT',
      `[bus] ${attempts} attempts ended without an answer: their processes died or were stopped`,
    )
    return this.#failures.record(held.message, attempts, error, this.#host.clock.now())
  }

  // AttemptOwner: the handler's side.

  succeeded(attempt: Attempt, failures: ReadonlyMap<Held, unknown> | undefined): void {
    this.#end(attempt)
    const done = failures === undefined ? attempt.held : attempt.held.filter((held) => !failures.has(held))
    const now = this.#host.clock.monotonic()
    for (const held of done) this.#handled.add(held.message.id, true, now)
    this.#counts.handled += done.length
    this.#settle(done, ACK)
    if (failures !== undefined) for (const [held, error] of failures) this.#fail(held, error)
    this.#pump()
  }

  failed(attempt: Attempt, error: unknown, failures?: ReadonlyMap<Held, unknown>): void {
    this.#end(attempt)
    for (const held of attempt.held) this.#fail(held, failures?.has(held) === true ? failures.get(held) : error)
    this.#pump()
  }

  working(held: readonly Held[]): void {
    void this.#send(deliveriesOf(held), WORKING)
  }

  #timeOut(attempt: Attempt): void {
    const error = new BusError(
      'BUS_TIMEOUT',
      `[bus] the handler of ${this.consumer} took longer than ${this.#settings.timeoutMs} ms`,
    )
    if (attempt.abort(error)) this.failed(attempt, error)
  }

  #end(attempt: Attempt): void {
    this.#running--
    for (const held of attempt.held) held.running = undefined
    this.#limits.remove(attempt)
  }

  #fail(held: Held, error: unknown): void {
    this.#counts.failed++
    const failure = this.#failures.record(held.message, held.attempt, error, this.#host.clock.now())
    const decision = decide(held.attempt, error, this.#settings.retry, this.#host.random)
    if (decision.kind === 'dead') return this.#bury(held, failure, decision.reason)
    this.#counts.retried++
    this.#log('debug', 'attempt failed and will be repeated', held, {
      delayMs: decision.delayMs,
      error: failure.lastError,
    })
    this.#settle([held], { kind: 'nak', delayMs: decision.delayMs })
  }

  /** The dead letter is stored first and only then is the message given up: a crash in between leaves two copies, never none (JS-S10). */
  #bury(held: Held, failure: Failure, reason: DeadReason): void {
    this.#settling++
    const stored = (): void => {
      this.#counts.dead++
      this.#log('warn', 'message became a dead letter', held, { reason, error: failure.lastError })
      this.#settle([held], { kind: 'term', reason })
    }
    const refused = (thrown: unknown): void => {
      this.#log('error', 'the dead letter could not be stored; the message stays', held, {
        error: describeThrown(thrown),
      })
      this.#settle([held], { kind: 'nak', delayMs: DEAD_LETTER_RETRY_MS })
    }
    this.#host.bury(failure, reason, this.#settings).then(stored, refused).finally(this.#arrived)
  }

  // Settling.

  #settle(held: readonly Held[], settlement: Settlement): void {
    if (held.length === 0) return
    const sent = this.#send(deliveriesOf(held), settlement)
    if (sent === undefined) return this.#settled(held, settlement)
    this.#settling++
    void sent.then((ok) => this.#settled(held, ok ? settlement : RELEASE)).finally(this.#arrived)
  }

  #settled(held: readonly Held[], settlement: Settlement): void {
    const forGood = settlement.kind === 'ack' || settlement.kind === 'term'
    for (const each of held) {
      if (forGood) this.#failures.delete(each.message.sequence)
      if (forGood) this.#intake.settled(each)
      else this.#intake.away(each)
    }
    this.#checkIdle()
  }

  /** @returns undefined when it was settled at once; otherwise whether it was. A message not settled comes back after its ack wait. */
  #send(deliveries: readonly Delivery[], settlement: Settlement): Promise<boolean> | undefined {
    const refused = (thrown: unknown): boolean => {
      this.#host.logger.log('warn', 'a settlement failed; the message will be delivered again', {
        consumer: this.consumer,
        settlement: settlement.kind,
        error: describeThrown(thrown),
      })
      return false
    }
    try {
      return this.#host.adapter.settle(deliveries, settlement)?.then(() => true, refused)
    } catch (thrown) {
      return Promise.resolve(refused(thrown))
    }
  }

  readonly #arrived = (): void => {
    this.#settling--
    this.#checkIdle()
    this.#pump()
  }

  // Stopping.

  async #drain(withinMs: number): Promise<StopReport> {
    const stopped = this.#feed?.stop()
    this.#batchTimer?.cancel()
    const unstarted = this.#intake.drain()
    const running = this.#intake.size
    if (unstarted.length > 0) await this.#send(deliveriesOf(unstarted), RELEASE)
    if (withinMs > 0) await this.#idle(withinMs)
    const aborted = this.#abortAll()
    this.#limits.clear()
    this.#intake.close()
    await stopped
    this.#host.onStopped()
    return { finished: running - aborted, released: unstarted.length, aborted }
  }

  #idle(withinMs: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = this.#host.clock.timer(withinMs, resolve)
      this.#onIdle = () => {
        timer.cancel()
        resolve()
      }
      this.#checkIdle()
    })
  }

  #checkIdle(): void {
    if (this.#running === 0 && this.#settling === 0) this.#onIdle?.()
  }

  /** Hands back what did not end in time, as a failed attempt: its handler did start. */
  #abortAll(): number {
    const error = new BusError('BUS_TIMEOUT', `[bus] the pool of ${this.consumer} was stopped before the handler ended`)
    let aborted = 0
    for (const attempt of new Set(this.#intake.running())) {
      if (!attempt.abort(error)) continue
      aborted += attempt.held.length
      this.#end(attempt)
      for (const held of attempt.held)
        this.#settle([held], { kind: 'nak', delayMs: this.#settings.retry.waitMs(held.attempt) })
    }
    return aborted
  }

  #log(level: LogLevel, message: string, held: Held, fields: LogFields): void {
    const { id, subject } = held.message
    this.#host.logger.log(level, message, { consumer: this.consumer, id, subject, attempt: held.attempt, ...fields })
  }
}

function deliveriesOf(held: readonly Held[]): Delivery[] {
  return held.map((each) => each.delivery)
}
