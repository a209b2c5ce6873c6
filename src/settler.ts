/**
 * What becomes of a message after its attempt, and the telling of it to the backend: acknowledged, tried again, dead-lettered, handed back.
 * It keeps the pool's figures, its failure log and its dedup window. It starts nothing.
 */
import type { Delivery, Settlement } from './adapter.js'
import type { Held } from './attempt.js'
import { DedupWindow } from './dedup-window.js'
import { BusError, describeThrown } from './errors.js'
import { type Failure, FailureLog } from './failure-log.js'
import type { Intake } from './intake.js'
import type { LogFields, LogLevel } from './logger.js'
import type { PoolHost, PoolSettings } from './pool-settings.js'
import { type DeadReason, decide } from './retry.js'

const ACK: Settlement = { kind: 'ack' }
const RELEASE: Settlement = { kind: 'release' }
const WORKING: Settlement = { kind: 'working' }
/** Wait before trying again to store a dead letter: its stream may be full, or the backend away. */
const DEAD_LETTER_RETRY_MS = 1000
/** Ids that a consumer's dedup window remembers at most; about 10 MB. */
const DEDUP_MAX_IDS = 50_000

export class Settler {
  readonly counts = { handled: 0, failed: 0, retried: 0, dead: 0, duplicates: 0 }
  readonly failures = new FailureLog()
  readonly #host: PoolHost
  readonly #settings: PoolSettings
  readonly #intake: Intake
  readonly #handled: DedupWindow<string>
  readonly #onSettled: () => void
  #underWay = 0

  /** @param onSettled called after anything was settled that had to be waited for */
  constructor(host: PoolHost, settings: PoolSettings, intake: Intake, onSettled: () => void) {
    this.#host = host
    this.#settings = settings
    this.#intake = intake
    this.#onSettled = onSettled
    this.#handled = new DedupWindow(settings.dedupMs, DEDUP_MAX_IDS, (id) => id)
  }

  /** Settlements and dead letters on their way to the backend. */
  get underWay(): number {
    return this.#underWay
  }

  /** Acknowledges a message whose id was handled before. @returns whether it was */
  skipDuplicate(held: Held, now: number): boolean {
    const isFirst = held.message.isFresh === true && held.attempt === 1
    if (isFirst || this.#handled.get(held.message.id, now) === undefined) return false
    this.counts.duplicates++
    this.skip(held)
    return true
  }

  /** Acknowledges a message that is not for this consumer. */
  skip(held: Held): void {
    this.#settle([held], ACK)
  }

  /** @param now `clock.monotonic()` */
  succeeded(done: readonly Held[], now: number): void {
    if (done.length === 0) return
    for (const held of done) this.#handled.add(held.message.id, now)
    this.counts.handled += done.length
    this.#settle(done, ACK)
  }

  failed(held: Held, error: unknown): void {
    this.counts.failed++
    const failure = this.failures.record(held.message, held.attempt, error, this.#host.clock.now())
    const decision = decide(held.attempt, error, this.#settings.retry, this.#host.random)
    if (decision.kind === 'dead') {
      this.#bury(held, failure, decision.reason)
      return
    }
    const { delayMs } = decision
    this.counts.retried++
    this.#log('debug', 'attempt failed and will be repeated', held, { delayMs, error: failure.lastError })
    this.#settle([held], { kind: 'nak', delayMs })
  }

  /** Dead-letters a message whose attempts were used up by processes that never said how they ended (JS-S9). */
  exhausted(held: Held): void {
    const attempts = held.attempt - 1
    const problem = `[bus] ${attempts} attempts ended without an answer: their processes died or were stopped`
    const failure =
      this.failures.get(held.message.sequence) ??
      this.failures.record(held.message, attempts, new BusError('BUS_TIMEOUT', problem), this.#host.clock.now())
    this.#bury(held, { ...failure, attempts }, 'exhausted')
  }

  /** Hands back what had started and was cut short: a failed attempt. */
  cutShort(held: readonly Held[]): void {
    for (const each of held) this.#settle([each], { kind: 'nak', delayMs: this.#settings.retry.waitMs(each.attempt) })
  }

  /** Hands back what has not started: it costs no attempt. */
  async release(deliveries: readonly Delivery[]): Promise<void> {
    if (deliveries.length > 0) await this.#send(deliveries, RELEASE)
  }

  /** Hands back what came too late to be started. The backend knows whether that still means anything. */
  giveUp(held: Held): void {
    this.#intake.away(held)
    const sent = this.#send([held.delivery], RELEASE)
    if (sent !== undefined) this.#track(sent)
  }

  /** What the backend does not hear in time shows in `expiresAt` of the deliveries. */
  extend(held: readonly Held[]): void {
    void this.#send(deliveriesOf(held), WORKING)
  }

  /** The dead letter is stored first, and only then is the message given up: a crash in between leaves two copies, never none (JS-S10). */
  #bury(held: Held, failure: Failure, reason: DeadReason): void {
    const stored = (): void => {
      this.counts.dead++
      this.#log('warn', 'message became a dead letter', held, { reason, error: failure.lastError })
      this.#settle([held], { kind: 'term', reason })
    }
    const refused = (thrown: unknown): void => {
      const error = describeThrown(thrown)
      this.#log('error', 'the dead letter could not be stored; the message stays', held, { error })
      this.#settle([held], { kind: 'nak', delayMs: DEAD_LETTER_RETRY_MS })
    }
    this.#track(this.#host.bury(failure, reason, this.#settings, held.delivery).then(stored, refused))
  }

  #settle(held: readonly Held[], settlement: Settlement): void {
    const sent = this.#send(deliveriesOf(held), settlement)
    if (sent === undefined) this.#settled(held, settlement)
    else this.#track(sent.then((ok) => this.#settled(held, ok ? settlement : RELEASE)))
  }

  #settled(held: readonly Held[], settlement: Settlement): void {
    const isForGood = settlement.kind === 'ack' || settlement.kind === 'term'
    for (const each of held) {
      if (isForGood) this.failures.delete(each.message.sequence)
      if (isForGood) this.#intake.settled(each)
      else this.#intake.away(each)
    }
  }

  #track(work: Promise<unknown>): void {
    this.#underWay++
    void work.finally(() => {
      this.#underWay--
      this.#onSettled()
    })
  }

  /** @returns undefined when it was settled at once; otherwise whether it was. What was not comes back after its ack wait. */
  #send(deliveries: readonly Delivery[], settlement: Settlement): Promise<boolean> | undefined {
    try {
      const sent = this.#host.adapter.settle(deliveries, settlement)
      return sent === undefined ? undefined : this.#outcome(sent, settlement)
    } catch (thrown) {
      return this.#outcome(Promise.reject(thrown), settlement)
    }
  }

  /** Apart, because what a closure captures is allocated at each call of its function, reached or not, and this one for each message. */
  #outcome(sent: Promise<void>, settlement: Settlement): Promise<boolean> {
    const refused = (thrown: unknown): boolean => {
      const fields = {
        consumer: this.#settings.consumer.name,
        settlement: settlement.kind,
        error: describeThrown(thrown),
      }
      this.#host.logger.log('warn', 'a settlement failed; the message will be delivered again', fields)
      return false
    }
    return sent.then(() => true, refused)
  }

  #log(level: LogLevel, message: string, held: Held, fields: LogFields): void {
    const { id, subject } = held.message
    const consumer = this.#settings.consumer.name
    this.#host.logger.log(level, message, { consumer, id, subject, attempt: held.attempt, ...fields })
  }
}

export function deliveriesOf(held: readonly Held[]): Delivery[] {
  const first = held[0]
  if (held.length === 1 && first !== undefined) return [first.delivery]
  return held.map((each) => each.delivery)
}
