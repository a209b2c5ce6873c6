/**
 * The order of keys across what the inner backend has lost, or has not got yet: the tail that a broker lost, a hole, a message of another
 * process that is still on its way. Whenever a delivery is not the next position, the ledger is asked what the consumer should have got in
 * between; those keys wait until it comes, or need not come any more. A consumer with `partitions` is handed so little of what lies between
 * that it asks only where positions run ahead of their places, the sequences of the inner stream: it sees no holes.
 *
 *   not the next one ----> asked --> awaited -- delivered, settled elsewhere, over age --> done
 *                                       +------ not on its way: the stream is compared with the ledger
 */
import type { Delivery, Sink } from '../../../src/adapter.js'
import type { Clock, Timer } from '../../../src/clock.js'
import type { StoredMessage } from '../../../src/message.js'
import type { Database } from '../database/database.js'
import { toStored } from '../ledger-row.js'
import { type UnsettledRow, unsettledBetween } from '../sql/unsettled-between.js'

const PAGE = 1000
const LOOK_MS = 500
/** What another process has just stored is there by then. */
const PATIENCE_MS = 1000
/** Between two alarms, at first and at most. */
const [ALARM_MS, RARELY_MS] = [1000, 8000]
/** From the first alarm on: a repair is done by then, or nobody does it. */
const REPAIR_MS = 10_000
/** Of what may be in flight: the rest is for what is awaited. */
const BLOCKED = 0.9
/** No key is empty. */
const NO_KEY = ''

/** Positions of which nobody knows here, both ends exclusive. */
export interface Gap {
  readonly after: number
  readonly before: number
  /** Before the first delivery: what is missing may be with a process that is gone, until its ack wait is over. */
  readonly isFirst: boolean
}

export interface KeyOrderParts {
  readonly database: Database
  readonly clock: Clock
  readonly stream: string
  /** Row of the consumer. */
  readonly consumer: number
  /** Everything up to here is settled. */
  readonly floor: number
  readonly ackWaitMs: number
  /** It is handed a part of the keys, so that most of what lies between two deliveries is for others. */
  readonly isDivided: boolean
  /** How many deliveries may be unsettled. */
  readonly maxInFlight: number
  readonly sink: Pick<Sink, 'awaiting' | 'gone'>
  /** The inner backend seems to have lost something. */
  readonly onMissing: () => void
  /** So much waits that nothing else can come: the order is given up. */
  readonly onGivenUp: (messages: number) => void
}

interface Awaited {
  readonly message: StoredMessage
  /** Before that it may be with somebody who has stopped, or on its way. */
  readonly patientUntil: number
}

interface Lane {
  awaited: number
  behind: number
}

export class KeyOrder {
  readonly #parts: KeyOrderParts
  readonly #awaited = new Map<number, Awaited>()
  /** Keys that wait. */
  readonly #lanes = new Map<string, Lane>()
  /** The highest position that was delivered, and its place. */
  #highest: number
  #place = Number.POSITIVE_INFINITY
  /** Deliveries of these keys since they wait. */
  #behind = 0
  #timer: Timer | undefined
  #alarmAt = 0
  #alarmMs = ALARM_MS
  #isStopped = false

  constructor(parts: KeyOrderParts) {
    this.#parts = parts
    this.#highest = parts.floor
  }

  /** Called for each delivery in the order of arrival. @param place its sequence in the inner stream */
  gapBefore(position: number, place: number): Gap | undefined {
    if (this.#awaited.size > 0) this.#forget(position)
    const after = this.#highest
    if (position <= after) return undefined
    const isFirst = this.#place === Number.POSITIVE_INFINITY
    const steps = this.#parts.isDivided ? Math.max(1, place - this.#place) : 1
    this.#highest = position
    this.#place = place
    return position - after > steps ? { after, before: position, isFirst } : undefined
  }

  /** Makes the keys of what is missing in the gaps wait. Rejects when the ledger cannot be asked. @param arrived positions that wait here */
  async close(gaps: readonly Gap[], arrived: ReadonlySet<number>): Promise<void> {
    if (gaps.length === 0) return
    // In the order of arrival, and so of positions.
    const [after = 0, before = 0] = [gaps[0]?.after, gaps.at(-1)?.before]
    const rows = await this.#unsettled(after, before)
    const { clock, ackWaitMs } = this.#parts
    const patientUntil = clock.monotonic() + PATIENCE_MS + (gaps[0]?.isFirst === true ? ackWaitMs : 0)
    const missing = rows.map(({ message }) => message).filter(({ sequence }) => !arrived.has(sequence))
    if (missing.length === 0 || this.#isStopped) return
    for (const message of missing) this.#await(message, patientUntil)
    this.#parts.sink.awaiting(missing)
    this.#lookLater()
  }

  /** These are handed out now, as far as their keys allow. */
  handedOut(deliveries: readonly Delivery[]): void {
    if (this.#awaited.size === 0) return
    for (const { message } of deliveries) {
      const lane = this.#lanes.get(message.key ?? NO_KEY)
      if (lane === undefined) continue
      lane.behind++
      this.#behind++
    }
  }

  stop(): void {
    this.#isStopped = true
    this.#timer?.cancel()
  }

  #lookLater(): void {
    if (this.#isStopped || this.#awaited.size === 0) return
    this.#timer ??= this.#parts.clock.timer(LOOK_MS, () => void this.#look(), { ref: false })
  }

  /** What is settled or gone needs no waiting; what nobody is sending is missing. */
  async #look(): Promise<void> {
    const positions = [...this.#awaited.keys()].sort((a, b) => a - b)
    const [first = 0, last = 0] = [positions[0], positions.at(-1)]
    const rows = await this.#unsettled(first - 1, last + 1).catch(() => undefined)
    this.#timer = undefined
    if (rows !== undefined && !this.#isStopped) {
      const waiting = new Map(rows.map(({ message, isWaiting }) => [message.sequence, isWaiting]))
      this.#giveUp(positions.flatMap((position) => (waiting.has(position) ? [] : (this.#awaited.get(position) ?? []))))
      this.#complain(positions.filter((position) => waiting.get(position) === false))
    }
    this.#lookLater()
  }

  /** @param positions awaited, and not on their way to the inner backend */
  #complain(positions: readonly number[]): void {
    const now = this.#parts.clock.monotonic()
    const overdue = positions.flatMap((position) => {
      const awaited = this.#awaited.get(position)
      return awaited !== undefined && now >= awaited.patientUntil ? [awaited] : []
    })
    if (overdue.length === 0) this.#alarmMs = ALARM_MS
    if (overdue.length === 0 || now < this.#alarmAt) return
    this.#alarmAt = now + this.#alarmMs
    this.#alarmMs = Math.min(RARELY_MS, 2 * this.#alarmMs)
    this.#parts.onMissing()
    const isStuck = this.#behind >= BLOCKED * this.#parts.maxInFlight
    const lost = isStuck ? overdue.filter(({ patientUntil }) => now >= patientUntil + REPAIR_MS) : []
    if (lost.length > 0) this.#parts.onGivenUp(lost.length)
    this.#giveUp(lost)
  }

  #giveUp(awaited: readonly Awaited[]): void {
    const messages = awaited.map(({ message }) => message)
    for (const { sequence } of messages) this.#forget(sequence)
    if (messages.length > 0) this.#parts.sink.gone(messages)
  }

  #await(message: StoredMessage, patientUntil: number): void {
    const lane = this.#lanes.get(message.key ?? NO_KEY) ?? { awaited: 0, behind: 0 }
    lane.awaited++
    this.#lanes.set(message.key ?? NO_KEY, lane)
    this.#awaited.set(message.sequence, { message, patientUntil })
  }

  #forget(position: number): void {
    const key = this.#awaited.get(position)?.message.key ?? NO_KEY
    const lane = this.#lanes.get(key)
    if (!this.#awaited.delete(position) || lane === undefined || --lane.awaited > 0) return
    this.#behind -= lane.behind
    this.#lanes.delete(key)
  }

  async #unsettled(after: number, before: number): Promise<{ message: StoredMessage; isWaiting: boolean }[]> {
    const { database, consumer, stream } = this.#parts
    const found: { message: StoredMessage; isWaiting: boolean }[] = []
    for (let from = after; ; ) {
      const statement = unsettledBetween(database.schema, consumer, from, before, PAGE)
      const rows = await database.query<UnsettledRow>('work', statement)
      found.push(...rows.map((row) => ({ message: toStored(stream, row), isWaiting: row.is_waiting })))
      if (rows.length < PAGE) return found
      from = found.at(-1)?.message.sequence ?? before
    }
  }
}
