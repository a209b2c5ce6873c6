/**
 * What has piled up of one stream, from the outbox to the inner backend in the order of positions. One process does it at a time, for all of
 * them and in long strides: processes that took turns would fall behind for ever under a load that each of them alone can carry.
 *
 *   the lead is another's --> leave it what is ours, and wait until it is through
 *   the lead is ours      --> take what is ours, what others have left, and what the dead have
 *
 * What a living process sends straight from memory is left to it for long enough that, should it be sent twice, consumers ask the ledger about
 * the later copy.
 */
import type { PublishOutcome } from '../../../src/adapter.js'
import type { Clock } from '../../../src/clock.js'
import type { Outgoing } from '../../../src/message.js'
import type { Database } from '../database/database.js'
import { type LedgerRow, toStored } from '../ledger-row.js'
import { disown } from '../sql/disown.js'
import { giveUpLead, lead } from '../sql/lead.js'
import { ledgerPage } from '../sql/ledger-page.js'
import { outboxHead, type Range } from '../sql/outbox-head.js'
import { takeRanges } from '../sql/take-ranges.js'
import { toInner } from '../stamp.js'
import type { LedgerStream } from '../streams.js'
import { NOBODY } from './outbox.js'
import { isRefused, Parked } from './parked.js'

/** Renewed with each page; who is stopped for longer loses it. */
const LEAD_MS = 2000
/** What a living process has stored for so long, and not got rid of, waits like everything else. Longer than what counts as late (PG-L2). */
const ON_THEIR_WAY_MS = 1500
const PAGE = 500
const RANGES = 100

export interface CatchUpParts {
  readonly database: Database
  readonly owner: string
  readonly clock: Clock
  /** Messages a second of a repair. */
  readonly repairRate: number
  /** Where the newest range of this process begins; 0 for none. */
  readonly lastStored: () => number
  /** Undefined when the backend failed as a whole. */
  readonly publish: (messages: readonly Outgoing[]) => Promise<readonly PublishOutcome[] | undefined>
  readonly isTaken: (count: number, outcomes: readonly PublishOutcome[] | undefined) => boolean
  readonly onDone: (first: number) => void
  readonly isClosed: () => boolean
}

/** `empty`: nothing that concerns us waits. `waiting`: another process leads. `none`: nothing could be relayed. */
export type Progress = 'empty' | 'waiting' | 'none' | 'some'

/** Ranges that follow each other without a gap. */
interface Stretch {
  readonly first: number
  readonly last: number
  readonly round: string
  readonly ranges: readonly Range[]
}

export class CatchUp {
  readonly #stream: LedgerStream
  readonly #parts: CatchUpParts
  readonly #parked: Parked
  /** Ranges of living others, and since when they are seen here, ms: as a rule they are on their way. */
  #seen: ReadonlyMap<string, number> = new Map()
  #isLeading = false

  constructor(stream: LedgerStream, parts: CatchUpParts) {
    this.#stream = stream
    this.#parts = parts
    this.#parked = new Parked(parts.database, stream)
  }

  async step(): Promise<Progress> {
    const { database, owner, lastStored, publish } = this.#parts
    let ranges = await this.#head()
    if (ranges.length === 0) {
      await this.#parked.retry(publish)
      return 'empty'
    }
    const hasLed = this.#isLeading
    this.#isLeading = await this.#leads()
    // Who led until now may have relayed them meanwhile.
    if (this.#isLeading && !hasLed) ranges = await this.#head()
    const hasOurs = ranges.some(({ first, owner: of }) => of === owner || Number(first) <= lastStored())
    if (!this.#isLeading) {
      if (hasOurs) await database.query('work', disown(database.schema, this.#stream.id, owner, NOBODY, RANGES))
      return hasOurs ? 'waiting' : 'empty'
    }
    const hasParked = ranges[0]?.has_parked === true
    if (hasParked) await this.#parked.retry(publish)
    const waiting = hasParked ? await this.#parked.keys() : new Set<string>()
    const due = await this.#take(this.#due(ranges))
    let done = 0
    for (const stretch of stretchesOf(due)) {
      if (this.#parts.isClosed() || !(await this.#relay(stretch, waiting))) break
      for (const { first } of stretch.ranges) this.#parts.onDone(Number(first))
      done++
    }
    if (done > 0) return 'some'
    return due.length === 0 && !hasOurs ? 'empty' : 'none'
  }

  /** Another process need not wait for the end of its time. */
  async leave(): Promise<void> {
    if (!this.#isLeading) return
    const { database, owner } = this.#parts
    this.#isLeading = false
    this.#seen = new Map()
    await database.query('work', giveUpLead(database.schema, this.#stream.id, owner)).catch(() => {})
  }

  #head(): Promise<Range[]> {
    const { database } = this.#parts
    return database.query<Range>('work', outboxHead(database.schema, this.#stream.id, RANGES))
  }

  async #leads(): Promise<boolean> {
    const { database, owner } = this.#parts
    return (await database.query('work', lead(database.schema, this.#stream.id, owner, LEAD_MS))).length > 0
  }

  /** Up to the first that a living process has stored just now. */
  #due(ranges: readonly Range[]): readonly Range[] {
    const { owner, clock } = this.#parts
    const now = clock.monotonic()
    const isTheirs = (range: Range): boolean => range.owner !== owner && range.is_leased
    const since = ({ first }: Range): number => this.#seen.get(first) ?? now
    this.#seen = new Map(ranges.filter(isTheirs).map((range) => [range.first, since(range)]))
    const end = ranges.findIndex((range) => isTheirs(range) && now - since(range) < ON_THEIR_WAY_MS)
    return end < 0 ? ranges : ranges.slice(0, end)
  }

  /** Up to the first that could not be had. */
  async #take(ranges: readonly Range[]): Promise<readonly Range[]> {
    const { database, owner } = this.#parts
    const others = ranges.filter((range) => range.owner !== owner).map(({ first }) => first)
    if (others.length === 0) return ranges
    const statement = takeRanges(database.schema, this.#stream.id, others, owner)
    const taken = new Set((await database.query<{ first: string }>('work', statement)).map(({ first }) => first))
    const end = ranges.findIndex((range) => range.owner !== owner && !taken.has(range.first))
    return end < 0 ? ranges : ranges.slice(0, end)
  }

  /** @param waiting keys whose messages are parked; more of them are found on the way */
  async #relay({ first, last, round }: Stretch, waiting: Set<string>): Promise<boolean> {
    const { database, repairRate, clock } = this.#parts
    for (let next = first; next <= last; ) {
      const began = clock.monotonic()
      const page = ledgerPage(database.schema, this.#stream.id, next, last, PAGE)
      const rows = await database.query<LedgerRow>('work', page)
      if (this.#parts.isClosed() || !(await this.#relayRows(rows, round, waiting))) return false
      next = rows.length < PAGE ? last + 1 : Number(rows.at(-1)?.position ?? last) + 1
      if (round !== '') await this.#pause((1000 * rows.length) / repairRate - (clock.monotonic() - began))
      if (next <= last && !(await this.#leads())) return false
    }
    return true
  }

  async #relayRows(rows: readonly LedgerRow[], round: string, waiting: Set<string>): Promise<boolean> {
    const free = rows.filter(({ key }) => key === null || !waiting.has(key))
    const messages = free.map((row) => again(this.#stream, row, round))
    const outcomes = free.length === 0 ? [] : await this.#parts.publish(messages)
    const refused = new Set(free.filter((_, at) => isRefused(outcomes?.[at])))
    const others = outcomes?.filter((outcome) => !isRefused(outcome))
    if (!this.#parts.isTaken(free.length - refused.size, others)) return false
    for (const { key } of refused) if (key !== null) waiting.add(key)
    const aside = rows.filter((row) => refused.has(row) || !free.includes(row))
    const parking = aside.map(({ position, key }) => ({ position: Number(position), key: key ?? undefined }))
    await this.#parked.add(parking, round)
    return true
  }

  #pause(ms: number): Promise<void> {
    if (ms <= 0 || this.#parts.isClosed()) return Promise.resolve()
    return new Promise((resolve) => void this.#parts.clock.timer(ms, resolve))
  }
}

function stretchesOf(ranges: readonly Range[]): readonly Stretch[] {
  const stretches: Stretch[] = []
  for (const range of ranges) {
    const before = stretches.at(-1)
    const [first, last] = [Number(range.first), Number(range.last)]
    const goesOn = before !== undefined && before.round === range.round && before.last + 1 === first
    if (goesOn) stretches[stretches.length - 1] = { ...before, last, ranges: [...before.ranges, range] }
    else stretches.push({ first, last, round: range.round, ranges: [range] })
  }
  return stretches
}

function again({ definition }: LedgerStream, row: LedgerRow, round: string): Outgoing {
  const message = toStored(definition.name, row)
  return toInner(message, { position: message.sequence, timeMs: message.time, isAgain: true }, round)
}
