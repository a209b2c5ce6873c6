/**
 * One holder at a time among all processes: a message that its holder replaces every second, each time only if it is still the one it
 * wrote. Whoever sees it unchanged for a whole term may replace it. Every process measures with its own monotonic clock, and the holder
 * counts from before it sent, so its term ends before anybody else's begins; clocks are never compared.
 *
 *   waiting -- free, or unchanged for a term --> held -- replaced by another, not renewed in time, giveUp() --> waiting
 *      +---------------- release() ----------------+--> over
 */
import type { Subscription } from '@nats-io/transport-node'
import { type Timer, withTimeLimit } from '../../../src/clock.js'
import { describeThrown } from '../../../src/errors.js'
import { NO_HEADERS } from '../../../src/message.js'
import type { Connection } from '../connect/connection.js'
import { isMissing } from '../failure.js'
import { PRESENCE_STREAM } from '../names.js'
import type { Publisher } from '../publish/publisher.js'
import { headerBlock } from '../wire.js'

/** How long a lease holds without being renewed: the time that a killed process's keys stand still. */
const TERM_MS = 3000
const RENEW_MS = TERM_MS / 3
/** A release passes by before it is stored; who looks too early looks again after so long. */
const STORED_MS = 50
const FREE = ''

export interface LeaseHolder {
  /** Whether to take the lease now that it is free; asked again within a second. */
  mayTake(): boolean
  onAcquired(): void
  onLost(): void
}

export class Lease {
  readonly #connection: Connection
  readonly #publisher: Publisher
  readonly #subject: string
  readonly #holder: LeaseHolder
  readonly #me: string
  #subscription: Subscription | undefined
  #timer: Timer | undefined
  /** Position of the message that we last saw or wrote; 0: there is none. */
  #revision = 0
  /** When we first saw it, or before we sent it. */
  #since = 0
  #isHeld = false
  #isTaking = false
  /** Heard, and not seen yet. */
  #isFreed = false
  #isOver = false
  #turning: Promise<void> | undefined

  constructor(connection: Connection, publisher: Publisher, subject: string, holder: LeaseHolder) {
    this.#connection = connection
    this.#publisher = publisher
    this.#subject = subject
    this.#holder = holder
    this.#me = connection.inbox()
  }

  get isHeld(): boolean {
    return this.#isHeld
  }

  /** Held, and its term is not over: a process that stood still is a holder until its timers run, and may have a successor. */
  get isCurrent(): boolean {
    return this.#isHeld && this.#elapsed() < TERM_MS
  }

  /** Held, or asked for at this moment. */
  get isWanted(): boolean {
    return this.#isHeld || this.#isTaking
  }

  /** Resolves after the first attempt, whoever holds it then. */
  async start(): Promise<void> {
    // Written leases pass by as live messages too: a released one is taken at once.
    this.#subscription = this.#connection.nats.subscribe(this.#subject, {
      callback: (error, message) => {
        if (error !== null || message.data.length > 0) return
        this.#isFreed = true
        this.#soon(0)
      },
    })
    await this.#turn()
  }

  /** Looks at it now instead of within a second. */
  look(): void {
    if (!this.#isHeld) this.#soon(0)
  }

  /** Free for others when it resolves, if the server can be reached; stands by from then on. */
  async giveUp(): Promise<void> {
    const wasHeld = this.#isHeld
    this.#isHeld = false
    // A renewal under way would come after the release, and undo it.
    const free = async (): Promise<void> => {
      await this.#turning
      if (wasHeld && this.#connection.isConnected) await this.#write(FREE)
    }
    await withTimeLimit(
      free().catch(() => {}),
      RENEW_MS,
      this.#connection.host.clock,
    )
  }

  /** Gives it up, for good. */
  async release(): Promise<void> {
    if (this.#isOver) return
    this.#isOver = true
    this.#timer?.cancel()
    this.#subscription?.unsubscribe()
    await this.giveUp()
  }

  #soon(ms: number): void {
    if (this.#isOver) return
    this.#timer?.cancel()
    this.#timer = this.#connection.host.clock.timer(ms, () => void this.#turn(), { ref: false })
  }

  async #turn(): Promise<void> {
    if (this.#isOver) return
    this.#turning ??= this.#act().finally(() => (this.#turning = undefined))
    await this.#turning
  }

  async #act(): Promise<void> {
    try {
      this.#soon(await (this.#isHeld ? this.#renew() : this.#tryToAcquire()))
    } catch (thrown) {
      const { logger } = this.#connection.host
      logger.log('debug', 'a lease cannot be reached', { lease: this.#subject, error: describeThrown(thrown) })
      if (this.#isHeld && this.#elapsed() >= TERM_MS) this.#lose()
      this.#soon(RENEW_MS / 4)
    }
  }

  /** @returns ms until the next turn */
  async #tryToAcquire(): Promise<number> {
    const now = this.#now()
    const seen = await this.#read()
    if (seen.revision !== this.#revision) {
      this.#revision = seen.revision
      this.#since = now
    }
    const leftMs = seen.owner === FREE || seen.owner === this.#me ? 0 : TERM_MS - this.#elapsed()
    const waitMs = Math.min(leftMs, this.#isFreed ? STORED_MS : RENEW_MS)
    this.#isFreed = false
    if (waitMs > 0) return waitMs
    if (this.#isOver || !this.#holder.mayTake()) return RENEW_MS
    this.#isTaking = true
    try {
      await this.#write(this.#me)
      if (this.#isOver) await this.#write(FREE)
      else if (this.#elapsed() < TERM_MS) this.#hold()
    } finally {
      this.#isTaking = false
    }
    return RENEW_MS
  }

  #hold(): void {
    this.#isHeld = true
    this.#holder.onAcquired()
  }

  /** @returns ms until the next turn */
  async #renew(): Promise<number> {
    const expires = this.#connection.host.clock.timer(Math.max(0, TERM_MS - this.#elapsed()), () => this.#lose(), {
      ref: false,
    })
    try {
      await this.#write(this.#me)
    } catch (thrown) {
      await this.#adopt()
      throw thrown
    } finally {
      expires.cancel()
    }
    // A process that stood still reads the answer before its timers run: the term is over, and the lease may be another's.
    if (this.#elapsed() >= TERM_MS) this.#lose()
    return RENEW_MS
  }

  /** A renewal of unknown outcome may have been written; then it is what the next one has to replace. */
  async #adopt(): Promise<void> {
    const { owner, revision } = await this.#read()
    if (owner === this.#me) this.#revision = revision
    else this.#lose()
  }

  #lose(): void {
    if (!this.#isHeld || this.#isOver) return
    this.#isHeld = false
    this.#revision = 0
    this.#holder.onLost()
  }

  /** Only if nobody else has written since. */
  async #write(owner: string): Promise<void> {
    const sentAt = this.#now()
    const expected = `Nats-Expected-Last-Subject-Sequence:${this.#revision}`
    const addressing = { stream: PRESENCE_STREAM, dedupId: undefined }
    const headers = headerBlock({ id: this.#me, key: undefined, headers: NO_HEADERS }, addressing, [expected])
    const ack = await this.#publisher.store(this.#subject, PRESENCE_STREAM, headers, Buffer.from(owner), RENEW_MS)
    this.#revision = ack.sequence
    this.#since = sentAt
  }

  async #read(): Promise<{ readonly revision: number; readonly owner: string }> {
    try {
      const { streams } = this.#connection.jsm
      const found = await streams.getMessage(PRESENCE_STREAM, { last_by_subj: this.#subject })
      return found === null ? { revision: 0, owner: FREE } : { revision: found.seq, owner: found.string() }
    } catch (thrown) {
      if (isMissing(thrown)) return { revision: 0, owner: FREE }
      throw thrown
    }
  }

  #elapsed(): number {
    return this.#now() - this.#since
  }

  #now(): number {
    return this.#connection.host.clock.monotonic()
  }
}
