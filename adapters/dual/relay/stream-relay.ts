/**
 * The way of one stream's messages from the ledger to the inner backend. As a rule a group commit goes there straight from memory; when
 * anything is in the way (the backend is down, older rows of its keys that others have stored, a repair), rows come from the outbox in the
 * order of their positions (`catch-up.ts`), and what is stored meanwhile waits there, not in memory.
 *
 *   straight --- not taken, older rows of others ---> from the outbox --- nothing of ours is left ---> straight
 *
 * A keyed message waits until the inner backend has confirmed the one of its key before it, so that a retry cannot turn their order around.
 */
import type { Adapter, AdapterHost, PublishOutcome } from '../../../src/adapter.js'
import { describeThrown } from '../../../src/errors.js'
import type { Outgoing } from '../../../src/message.js'
import type { Database } from '../database/database.js'
import type { Run } from '../publish/answer.js'
import { toInner } from '../stamp.js'
import type { LedgerStream } from '../streams.js'
import { CatchUp, type Progress } from './catch-up.js'
import type { Outbox } from './outbox.js'

const RELAY_TIMEOUT_MS = 5000
const FIRST_PAUSE_MS = 10
/** While nothing is taken, and while another process leads. */
const LONGEST_PAUSE_MS = { none: 1000, waiting: 100 } as const
/** Runs that may wait in memory for keys before them. */
const LINE_MAX = 64

export interface RelayParts {
  readonly database: Database
  readonly inner: Adapter
  readonly outbox: Outbox
  readonly owner: string
  readonly host: AdapterHost
  /** Messages a second of a repair. */
  readonly repairRate: number
  /** Something was relayed: whoever follows the ledger may look. */
  readonly onRelayed: (stream: LedgerStream) => void
  /** The inner backend does not have the stream. Resolves when what it held is in the outbox, and the stream is there again. */
  readonly onLost: (stream: LedgerStream) => Promise<void>
}

export class StreamRelay {
  readonly #stream: LedgerStream
  readonly #parts: RelayParts
  readonly #backlog: CatchUp
  /** Runs that wait for keys before them. */
  readonly #line: Run[] = []
  /** Keys on their way, with how many messages. */
  readonly #keys = new Map<string, number>()
  #underWay = 0
  readonly #onIdle: (() => void)[] = []
  #catchingUp: Promise<void> | undefined
  #isMore = false
  #lastStored = 0
  #isLost = false
  #isClosed = false
  /** Why the inner backend did not take the last message; `''` while it does. */
  trouble = ''

  constructor(stream: LedgerStream, parts: RelayParts) {
    this.#stream = stream
    this.#parts = parts
    const { database, owner, host, repairRate } = parts
    this.#backlog = new CatchUp(stream, {
      ...{ database, owner, repairRate, clock: host.clock },
      publish: async (messages) => this.#publish(messages),
      isTaken: (count, outcomes) => this.#isTaken(count, outcomes),
      lastStored: () => this.#lastStored,
      onDone: (first) => this.#done(first),
      isClosed: () => this.#isClosed,
    })
  }

  /** A run that this process has just stored. */
  stored(run: Run): void {
    this.#lastStored = Math.max(this.#lastStored, run.first)
    const mustWait = run.isBehind && run.messages.some(({ message }) => message.key !== undefined)
    if (this.#catchingUp !== undefined || mustWait || this.#line.length >= LINE_MAX) return this.catchUp()
    this.#line.push(run)
    this.#advance()
  }

  /** There may be rows in the outbox that are not on their way. */
  catchUp(): void {
    this.#isMore = true
    this.#line.length = 0
    this.#catchingUp ??= this.#fromOutbox().finally(() => {
      this.#catchingUp = undefined
      if (this.#isMore && !this.#isClosed) this.catchUp()
    })
  }

  /** Resolves when nothing is on its way any more. */
  async close(): Promise<void> {
    this.#isClosed = true
    await this.#idle()
  }

  // Straight from memory.

  #advance(): void {
    for (let run = this.#line[0]; run !== undefined && this.#isFree(run); run = this.#line[0]) {
      this.#line.shift()
      this.#send(run)
    }
  }

  #isFree({ messages }: Run): boolean {
    return this.#keys.size === 0 || messages.every(({ message: { key } }) => key === undefined || !this.#keys.has(key))
  }

  #send(run: Run): void {
    const { timeMs, messages } = run
    const outgoing = messages.map(({ message, position }) => toInner(message, { position, timeMs, isAgain: false }))
    this.#count(outgoing, 1)
    this.#underWay++
    const ended = (outcomes: readonly PublishOutcome[] | undefined): void => {
      this.#count(outgoing, -1)
      this.#underWay--
      if (this.#isTaken(outgoing.length, outcomes)) this.#done(run.first)
      else this.catchUp()
      if (this.#underWay === 0) for (const idle of this.#onIdle.splice(0)) idle()
      this.#advance()
    }
    const outcomes = this.#publish(outgoing)
    if (outcomes instanceof Promise) void outcomes.then(ended)
    else ended(outcomes)
  }

  #count(messages: readonly Outgoing[], by: 1 | -1): void {
    for (const { key } of messages) {
      if (key === undefined) continue
      const count = (this.#keys.get(key) ?? 0) + by
      if (count > 0) this.#keys.set(key, count)
      else this.#keys.delete(key)
    }
  }

  // From the outbox.

  async #fromOutbox(): Promise<void> {
    await this.#idle()
    let pauseMs = FIRST_PAUSE_MS
    while (this.#isMore && !this.#isClosed) {
      this.#isMore = false
      const progress = await this.#step().catch((thrown: unknown) => this.#failed(thrown))
      if (progress === 'empty') continue
      this.#isMore = true
      if (progress === 'some') pauseMs = FIRST_PAUSE_MS
      else {
        await this.#pause(pauseMs)
        pauseMs = Math.min(2 * pauseMs, LONGEST_PAUSE_MS[progress])
      }
    }
    await this.#backlog.leave()
  }

  async #step(): Promise<Progress> {
    await this.#parts.outbox.settled()
    if (this.#isLost) await this.#parts.onLost(this.#stream)
    this.#isLost = false
    return await this.#backlog.step()
  }

  #failed(thrown: unknown): 'none' {
    this.#parts.host.logger.log('debug', '[dual] the outbox cannot be read', { error: describeThrown(thrown) })
    return 'none'
  }

  // Both ways.

  /** Undefined when the backend failed as a whole. */
  #publish(
    messages: readonly Outgoing[],
  ): readonly PublishOutcome[] | undefined | Promise<readonly PublishOutcome[] | undefined> {
    const failed = (thrown: unknown): undefined => {
      this.trouble = describeThrown(thrown)
    }
    try {
      const outcomes = this.#parts.inner.publish(messages, RELAY_TIMEOUT_MS)
      return outcomes instanceof Promise ? outcomes.catch(failed) : outcomes
    } catch (thrown) {
      return failed(thrown)
    }
  }

  #isTaken(count: number, outcomes: readonly PublishOutcome[] | undefined): boolean {
    if (outcomes === undefined) return false
    const refused = outcomes.find((outcome) => outcome.status !== 'accepted')
    if (refused === undefined) {
      this.trouble = ''
      return outcomes.length === count
    }
    this.trouble = refused.error.message
    this.#isLost ||= refused.error.code === 'BUS_NO_STREAM' || refused.error.code === 'BUS_NOT_FOUND'
    return false
  }

  #done(first: number): void {
    this.#parts.outbox.end(this.#stream.id, first)
    this.#parts.onRelayed(this.#stream)
  }

  #idle(): Promise<void> {
    if (this.#underWay === 0) return Promise.resolve()
    return new Promise((resolve) => void this.#onIdle.push(resolve))
  }

  #pause(ms: number): Promise<void> {
    if (ms <= 0 || this.#isClosed) return Promise.resolve()
    return new Promise((resolve) => void this.#parts.host.clock.timer(ms, resolve))
  }
}
