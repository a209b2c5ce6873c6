/**
 * Sends rows of one stream to the inner backend again, so that its order per key is the ledger's: the missing rows, and of their keys all
 * that come later, whose copies are removed first. Sending itself is the relay's work; here it is decided what, and put into the outbox.
 *
 *   rows so far -> copies removed -> [ nothing is appended: rows since -> their copies removed -> outbox ]
 *
 * The bracket is short: without it, a message published meanwhile would be relayed before an older one of its key.
 */
import type { PoolClient } from 'pg'
import type { Adapter } from '../../../src/adapter.js'
import type { Clock } from '../../../src/clock.js'
import type { Database, Statement } from '../database/database.js'
import { NOBODY } from '../relay/outbox.js'
import { type AnyRange, anyRange } from '../sql/any-range.js'
import type { PositionRow } from '../sql/ledger-positions.js'
import { sendAgain } from '../sql/send-again.js'
import { stampOf } from '../stamp.js'
import type { LedgerStream } from '../streams.js'
import { assertOpen } from './inner-copies.js'
import { KeySet } from './key-set.js'
import { endOf, ledgerRows, onTheirWay } from './ledger-walk.js'
import { whileNothingIsAppended } from './locks.js'
import { PositionSet } from './position-set.js'

/** Positions that no row has are sent along, so that one range does: up to so many in a row. */
const GAP = 1000
const RANGE = 1000
/** Seconds that one range may take at the set rate: each is a sign of life. */
const RANGE_SECONDS = 5
const REMOVE_BATCH = 500
/** How long publishers may be kept waiting for what is under way to arrive. */
const ARRIVAL_MS = 2000
const LOOK_MS = 5

export interface ResendParts {
  readonly database: Database
  readonly inner: Adapter
  readonly clock: Clock
  readonly repairRate: number
  readonly closing: AbortSignal
}

export class Resend {
  readonly #parts: ResendParts
  readonly #stream: LedgerStream
  readonly #missing: PositionSet
  readonly #keys = new KeySet()
  #isKeyed = false
  /** To be sent, gaps included. */
  readonly #positions = new PositionSet()
  /** Of these, the ones that the inner backend has and must have later. */
  readonly #later = new PositionSet()
  #waiting = new PositionSet()
  #after: number
  #innerFrom = 1
  #count = 0

  constructor(parts: ResendParts, stream: LedgerStream, missing: PositionSet) {
    this.#parts = parts
    this.#stream = stream
    this.#missing = missing
    this.#after = (missing.first ?? 1) - 1
  }

  /** @returns how many messages are on their way now */
  async send(round: string): Promise<number> {
    const end = await this.#innerEnd()
    await this.#select()
    if (!this.#isKeyed) await this.#put(round)
    else {
      if (this.#later.size + this.#waiting.size > 0) await this.#removeLater()
      else this.#innerFrom = end + 1
      await whileNothingIsAppended(this.#parts.database, this.#stream, async (client) => {
        await this.#arrived()
        await this.#select()
        if (this.#later.size > 0) await this.#removeLater()
        await this.#put(round, client)
      })
    }
    return this.#count
  }

  /** Rows since the last time; what was on its way then is looked at once more. */
  async #select(): Promise<void> {
    const { database } = this.#parts
    const { last } = await endOf(database, this.#stream)
    this.#waiting = await onTheirWay(database, this.#stream)
    let next = last
    let previous = 0
    for await (const row of ledgerRows(this.#parts, this.#stream, { after: this.#after, last, withKeys: true })) {
      if (!this.#isMissing(row) && this.#waiting.has(row.position)) next = Math.min(next, row.position - 1)
      const isTaken = this.#take(row)
      if (isTaken && previous > 0 && row.position - previous <= GAP)
        this.#positions.addRange({ first: previous + 1, last: row.position - 1 })
      previous = isTaken ? row.position : 0
    }
    this.#after = Math.max(this.#after, next)
  }

  #isMissing({ position, key = null }: PositionRow): boolean {
    if (!this.#missing.has(position)) return false
    if (key !== null) {
      this.#keys.add(key)
      this.#isKeyed = true
    }
    return true
  }

  /** @returns whether it is among those that are sent */
  #take({ position, key = null }: PositionRow): boolean {
    if (this.#waiting.has(position)) return false
    const isMissing = this.#missing.has(position)
    if (!isMissing && (key === null || !this.#keys.has(key))) return false
    if (!this.#positions.add(position)) return true
    if (!isMissing) this.#later.add(position)
    this.#count++
    return true
  }

  /** Sequence of the newest message of the inner stream; 0 when it is empty. */
  async #innerEnd(): Promise<number> {
    const { name, subjects } = this.#stream.definition
    let end = 0
    for await (const { sequence } of this.#parts.inner.read({ stream: name, filters: subjects, from: 'last' }))
      end = sequence
    return end
  }

  /** Copies of what was not looked at yet, or was on its way, are read the next time. */
  async #removeLater(): Promise<void> {
    const { inner, closing } = this.#parts
    const { name, subjects } = this.#stream.definition
    const sequences: number[] = []
    let [next, under] = [this.#innerFrom, Number.POSITIVE_INFINITY]
    const from = { sequence: this.#innerFrom }
    for await (const message of inner.read({ stream: name, filters: subjects, from, signal: closing })) {
      const { position } = stampOf(message.headers) ?? { position: 0 }
      if (this.#later.has(position)) sequences.push(message.sequence)
      else if (position > this.#after || this.#waiting.has(position)) under = Math.min(under, message.sequence)
      next = message.sequence + 1
    }
    assertOpen(closing)
    this.#innerFrom = Math.min(next, under)
    for (let at = 0; at < sequences.length; at += REMOVE_BATCH)
      await inner.remove(name, sequences.slice(at, at + REMOVE_BATCH))
  }

  /**
   * What relays are about to send, from memory or because they have read it from the outbox already, is soon there. Nothing is added
   * meanwhile; when nobody relays, it is in the outbox still and is sent in order.
   */
  async #arrived(): Promise<void> {
    const { database, clock } = this.#parts
    const until = clock.monotonic() + ARRIVAL_MS
    const look = anyRange(database.schema, this.#stream.id)
    while (clock.monotonic() < until && (await database.query<AnyRange>('work', look))[0]?.any === true)
      await new Promise<void>((resolve) => void clock.timer(LOOK_MS, resolve))
  }

  async #put(round: string, client?: PoolClient): Promise<void> {
    const { database, repairRate } = this.#parts
    const length = Math.max(1, Math.min(RANGE, repairRate * RANGE_SECONDS))
    const ranges = [...this.#positions.ranges(length)]
    if (ranges.length === 0) return
    const statement: Required<Statement> = {
      values: [],
      ...sendAgain(database.schema, this.#stream.id, NOBODY, round, {
        firsts: ranges.map(({ first }) => first),
        lasts: ranges.map(({ last }) => last),
      }),
    }
    if (client === undefined) await database.query('work', statement)
    else await client.query(statement.text, [...statement.values])
  }
}

/** Names a round of sending, so that the inner backend's window does not take its copies for those of an earlier one. */
export function newRound({ clock, random }: { readonly clock: Clock; readonly random: () => number }): string {
  const number = Math.floor(random() * 2 ** 32)
  return `/r${Math.floor(clock.now()).toString(36)}${number.toString(36)}`
}
