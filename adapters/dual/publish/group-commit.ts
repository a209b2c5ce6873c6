/**
 * Group commit: whatever callers are waiting goes into one statement, and what comes meanwhile into the next; never a wait for a fuller one.
 * A statement whose answer was lost is repeated, and finds by their ids the messages that it stored (PG-U1, PG-U3).
 *
 *   add --> waiting --> sent --- answer ----------------> accepted | rejected
 *             ^          |----- refused, may pass -> waiting       (not stored)
 *             |          |----- answer lost -------> waiting, in doubt
 *             +--- time is up: rejected, or unknown when sent or in doubt
 */
import type { PublishOutcome } from '../../../src/adapter.js'
import { type Clock, withTimeLimit } from '../../../src/clock.js'
import { DueQueue } from '../../../src/due-queue.js'
import { BusError } from '../../../src/errors.js'
import type { Database, Statement } from '../database/database.js'
import { ledgerError, QueryFailure } from '../database/pg-failure.js'
import type { LedgerStream } from '../streams.js'
import { type Answer, type Run, understand } from './answer.js'
import type { Draft } from './drafts.js'
import { Parcel } from './parcel.js'

/** Of one statement. Larger ones cost no less a message, and a thousand callers in two groups keep both sides at work. */
const MAX_DRAFTS = 500
const MAX_BYTES = 8 * 1024 * 1024
/** Waiting for their statement, in bytes of payload. */
const MAX_WAITING_BYTES = 64 * 1024 * 1024
const FIRST_PAUSE_MS = 20
const LONGEST_PAUSE_MS = 500
/** An id or a position is taken that was not seen to be: by an attempt that came late, or behind the snapshot of an isolation level (PG-I5). */
const TAKEN = '23505'
/** Refusals that pass: the stream's lock is held, a deadlock, too many connections, the server starts. */
const PASSING = new Set(['55P03', '40P01', '40001', '53300', '57P03', TAKEN])

export interface GroupCommitParts {
  readonly database: Database
  readonly clock: Clock
  /** @param isRepeated an earlier attempt may have been committed */
  readonly statement: (drafts: readonly Draft[], isRepeated: boolean) => Statement
  /** Called before the callers hear of it. */
  readonly onStored: (runs: readonly Run[], drafts: readonly Draft[]) => void
  /** Something may have been stored that nobody was told of. */
  readonly onDoubt: (streams: ReadonlySet<LedgerStream>) => void
}

export class GroupCommit {
  readonly #parts: GroupCommitParts
  readonly #waiting: Parcel[] = []
  readonly #limits: DueQueue<Parcel>
  #waitingBytes = 0
  #isWorking = false
  /** Resolves when callers and relay have heard of the last answer; undefined: they have. */
  #told: Promise<void> | undefined
  #onIdle: () => void = () => {}
  #isClosed = false

  constructor(parts: GroupCommitParts) {
    this.#parts = parts
    this.#limits = new DueQueue(parts.clock, (parcel) => this.#expire(parcel))
  }

  /** Resolves within `timeoutMs`, never rejects. */
  add(drafts: readonly Draft[], timeoutMs: number): Promise<readonly PublishOutcome[]> {
    const parcel = new Parcel(drafts, timeoutMs)
    const refused = this.#refusal(parcel)
    if (refused !== undefined) parcel.fail(refused)
    else {
      this.#limits.add(parcel, this.#parts.clock.monotonic() + timeoutMs)
      this.#waiting.push(parcel)
      this.#waitingBytes += parcel.bytes
      if (!this.#isWorking) void this.#work()
    }
    return parcel.done
  }

  /** Takes nothing more; resolves when everything has ended, at the latest after `withinMs`. */
  async close(withinMs: number): Promise<void> {
    this.#isClosed = true
    const idle = new Promise<void>((resolve) => {
      this.#onIdle = resolve
      if (!this.#isWorking) resolve()
    })
    await withTimeLimit(idle, withinMs, this.#parts.clock)
    for (const parcel of [...this.#limits.items()]) {
      this.#limits.remove(parcel)
      parcel.fail(({ message }) => closed(message.subject))
    }
    this.#waiting.length = 0
  }

  #refusal({ bytes }: Parcel): ((draft: Draft) => BusError) | undefined {
    if (this.#isClosed) return ({ message }) => closed(message.subject)
    if (this.#waitingBytes === 0 || this.#waitingBytes + bytes <= MAX_WAITING_BYTES) return undefined
    const problem = `${this.#waitingBytes} bytes wait for PostgreSQL already. Publish slower`
    return ({ message }) => new BusError('BUS_UNAVAILABLE', `[dual] publish to ${message.subject}: ${problem}`)
  }

  async #work(): Promise<void> {
    this.#isWorking = true
    // So that callers of the same turn of the event loop go together.
    await Promise.resolve()
    while (this.#waiting.length > 0) {
      await this.#store(this.#take())
      if (this.#waiting.length === 0) await this.#told
    }
    // In the same breath as the last look: nothing can be added in between.
    this.#isWorking = false
    this.#onIdle()
  }

  #take(): Parcel[] {
    const taken: Parcel[] = []
    let [drafts, bytes] = [0, 0]
    for (const parcel of this.#waiting) {
      const isFull = drafts + parcel.drafts.length > MAX_DRAFTS || bytes + parcel.bytes > MAX_BYTES
      if (isFull && taken.length > 0) break
      taken.push(parcel)
      drafts += parcel.drafts.length
      bytes += parcel.bytes
    }
    this.#waiting.splice(0, taken.length)
    this.#waitingBytes -= taken.reduce((sum, parcel) => sum + parcel.bytes, 0)
    return taken
  }

  /** Until each of them has ended. */
  async #store(parcels: readonly Parcel[]): Promise<void> {
    let pauseMs = FIRST_PAUSE_MS
    for (let left = open(parcels); left.length > 0; left = open(left)) {
      const failure = await this.#attempt(left)
      if (failure === undefined) return
      if (failure.code === TAKEN) for (const parcel of left) parcel.isInDoubt = true
      if (failure.effect === 'unknown') this.#doubt(left)
      else if (failure.effect === 'refused' && !PASSING.has(failure.code)) return this.#refused(left, failure)
      await this.#pause(pauseMs)
      pauseMs = Math.min(2 * pauseMs, LONGEST_PAUSE_MS)
    }
  }

  /** @returns why nothing is known to be stored */
  async #attempt(parcels: readonly Parcel[]): Promise<QueryFailure | undefined> {
    let sent: readonly Parcel[] = []
    let drafts: readonly Draft[] = []
    const send = (): Statement | undefined => {
      // Whose time was up before there was a connection was told that it is not stored.
      sent = open(parcels)
      drafts = draftsOf(sent)
      for (const parcel of sent) parcel.isSent = true
      return sent.length === 0 ? undefined : this.#parts.statement(drafts, sent.some(isInDoubt))
    }
    try {
      const rows = await this.#parts.database.query<{ readonly answer: Answer }>('publish', send)
      const answer = rows[0]?.answer ?? { runs: [], odd: [] }
      await this.#told
      this.#told = this.#afterNext(() => this.#answered(sent, drafts, answer))
      return undefined
    } catch (thrown) {
      for (const parcel of sent) parcel.isSent = false
      return thrown instanceof QueryFailure ? thrown : new QueryFailure('refused', thrown)
    }
  }

  /** PostgreSQL works on the next statement while this process tells what became of the last one. */
  #afterNext(tell: () => void): Promise<void> | undefined {
    if (this.#waiting.length === 0) {
      tell()
      return undefined
    }
    return new Promise((resolve) => {
      this.#parts.clock.defer(() => {
        tell()
        resolve()
      })
    })
  }

  #answered(parcels: readonly Parcel[], drafts: readonly Draft[], answer: Answer): void {
    const { outcomes, runs } = understand(drafts, answer)
    // The earlier attempt may have been committed after its doubt was told; what follows must not overtake it.
    this.#tellDoubt(parcels.filter(isInDoubt))
    this.#parts.onStored(runs, drafts)
    let at = 0
    for (const parcel of parcels) {
      const own = outcomes.slice(at, at + parcel.drafts.length)
      at += parcel.drafts.length
      this.#limits.remove(parcel)
      parcel.end(parcel.isInDoubt ? own.map((outcome, n) => ours(outcome, parcel.drafts[n])) : own)
    }
  }

  #doubt(parcels: readonly Parcel[]): void {
    for (const parcel of parcels) {
      parcel.isInDoubt = true
      if (parcel.drafts.every(({ stream }) => stream.definition.dedupWindowMs > 0)) continue
      // Repeating it could store it twice.
      this.#limits.remove(parcel)
      parcel.fail(unrecognisable)
    }
    this.#tellDoubt(parcels)
  }

  #tellDoubt(parcels: readonly Parcel[]): void {
    if (parcels.length > 0) this.#parts.onDoubt(new Set(draftsOf(parcels).map(({ stream }) => stream)))
  }

  /** One message that cannot be stored must not take the others with it (PG-L8). */
  async #refused(parcels: readonly Parcel[], failure: QueryFailure): Promise<void> {
    const isOfData = failure.code.startsWith('22') || failure.code.startsWith('23')
    for (const parcel of parcels) {
      if (isOfData && parcels.length > 1) await this.#store([parcel])
      else if (isOfData && parcel.drafts.length > 1) await this.#storeEach(parcel)
      else {
        this.#limits.remove(parcel)
        parcel.fail(({ message }) => ledgerError(`publish to ${message.subject}`, failure))
      }
    }
  }

  async #storeEach(parcel: Parcel): Promise<void> {
    this.#limits.remove(parcel)
    const outcomes: PublishOutcome[] = []
    for (const draft of parcel.drafts) {
      const one = new Parcel([draft], parcel.timeoutMs)
      one.isInDoubt = parcel.isInDoubt
      this.#limits.add(one, parcel.dueAt)
      await this.#store([one])
      outcomes.push(...(await one.done))
    }
    parcel.end(outcomes)
  }

  #expire(parcel: Parcel): void {
    const at = this.#waiting.indexOf(parcel)
    if (at >= 0) {
      this.#waiting.splice(at, 1)
      this.#waitingBytes -= parcel.bytes
    }
    const { trouble } = this.#parts.database
    const why = trouble === '' ? 'PostgreSQL did not answer' : `PostgreSQL is out of reach (${trouble})`
    const [code, remedy] =
      parcel.isSent || parcel.isInDoubt
        ? (['BUS_TIMEOUT', 'Publish it again with the same id'] as const)
        : (['BUS_UNAVAILABLE', 'It is not stored. Publish it again later'] as const)
    const text = `${why} within ${parcel.timeoutMs} ms. ${remedy}`
    parcel.fail(({ message }) => new BusError(code, `[dual] publish to ${message.subject}: ${text}`))
  }

  #pause(ms: number): Promise<void> {
    return new Promise((resolve) => void this.#parts.clock.timer(ms, resolve))
  }
}

function open(parcels: readonly Parcel[]): readonly Parcel[] {
  return parcels.filter((parcel) => !parcel.isEnded)
}

function isInDoubt(parcel: Parcel): boolean {
  return parcel.isInDoubt
}

function draftsOf(parcels: readonly Parcel[]): readonly Draft[] {
  return parcels.flatMap((parcel) => parcel.drafts)
}

/** An id that was made for this message and is there already was stored by the attempt whose answer was lost. */
function ours(outcome: PublishOutcome, draft: Draft | undefined): PublishOutcome {
  const isOurs = outcome.status === 'accepted' && outcome.duplicate && draft?.message.isFresh === true
  return isOurs ? { ...outcome, duplicate: false } : outcome
}

function unrecognisable({ message, stream }: Draft): BusError {
  const problem = `the answer of PostgreSQL was lost, and stream ${stream.definition.name} recognises no repetition`
  const remedy = 'Look whether it is there, or give the stream a dedupWindow'
  return new BusError('BUS_TIMEOUT', `[dual] publish to ${message.subject}: ${problem}. ${remedy}`)
}

function closed(subject: string): BusError {
  return new BusError('BUS_CLOSED', `[dual] publish to ${subject}: the adapter was closed`)
}
