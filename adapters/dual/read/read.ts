/**
 * Reading of a stream from the ledger, by the rules of the port. Rows become visible in the order of their positions (docs/adr/0009), so
 * "everything after the last position I saw" misses nothing between history and what comes; and nothing is open between two pages.
 *
 *   begun -- pages --> caught up -- news --> pages -- ... --> over      follow: until aborted, and across an outage of the server
 *                          +-- without follow --> over
 */
import type { Reading, ReadQuery } from '../../../src/adapter.js'
import type { Clock, Timer } from '../../../src/clock.js'
import { BusError } from '../../../src/errors.js'
import type { Logger } from '../../../src/logger.js'
import type { StoredMessage } from '../../../src/message.js'
import type { Database } from '../database/database.js'
import { ledgerError } from '../database/pg-failure.js'
import { type NewestRow, newestPerSubject } from '../sql/newest-per-subject.js'
import { type ReadingBounds, readingBounds } from '../sql/reading-bounds.js'
import type { Streams } from '../streams.js'
import { type LedgerPlace, type Page, Scan } from './scan.js'
import type { Selection } from './selection.js'
import { Stopping } from './stopping.js'

/** Tells that a stream may have more than it had. */
export interface News {
  /** Resolves when something may have come since the call, after half a second at the latest (PG-N4), or when aborted. Never rejects. */
  wait(stream: number, signal: AbortSignal): Promise<void>
}

export interface ReadingRoom {
  readonly database: Database
  readonly streams: Streams
  readonly news: News
  readonly clock: Clock
  readonly logger: Logger
  /** Aborted when the adapter closes. */
  readonly closing: AbortSignal
}

interface Beginning {
  readonly place: LedgerPlace
  readonly selection: Selection
  /** To be read before everything else, lowest first; only from `'last-per-subject'`. */
  readonly chosen: readonly number[]
  readonly first: number
  /** Inclusive. */
  readonly last: number
}

/** Positions asked for by one statement. */
const CHOSEN_AT_ONCE = 1000
/** Between two tries while the server cannot be asked. */
const [FIRST_PAUSE_MS, LAST_PAUSE_MS] = [50, 2000]
const NOTHING: Page = { messages: [], hasMore: false }

export class LedgerReading implements Reading {
  readonly #room: ReadingRoom
  readonly #query: ReadQuery
  readonly #what: string
  #beginning: Promise<Beginning> | undefined

  constructor(room: ReadingRoom, query: ReadQuery) {
    this.#room = room
    this.#query = query
    this.#what = `read stream ${query.stream}`
  }

  /** Rejects with `BUS_NOT_FOUND`, or as the server cannot be asked. */
  async open(): Promise<void> {
    await this.#begin()
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<StoredMessage, void, undefined> {
    const { signal } = this.#query
    const { closing } = this.#room
    const stopping = new Stopping(signal === undefined ? [closing] : [closing, signal])
    try {
      yield* this.#messages(stopping)
    } finally {
      stopping.end()
    }
    this.#assertOpen()
  }

  async *#messages(stopping: Stopping): AsyncGenerator<StoredMessage, void, undefined> {
    const { toTimeMs = Number.POSITIVE_INFINITY } = this.#query
    const beginning = await stopping.unless(this.#begin())
    if (beginning === undefined) return
    for await (const messages of this.#pages(beginning, stopping)) {
      for (const message of messages) {
        if (stopping.signal.aborted || message.time > toTimeMs) return
        yield message
      }
    }
  }

  async *#pages(beginning: Beginning, stopping: Stopping): AsyncGenerator<readonly StoredMessage[], void, undefined> {
    const { place, selection, chosen, first, last } = beginning
    const { database, news } = this.#room
    for (let at = 0; at < chosen.length; at += CHOSEN_AT_ONCE) {
      const positions = chosen.slice(at, at + CHOSEN_AT_ONCE)
      yield* this.#history(
        new Scan(database, place, { ...selection, positions }, { first: 1, last: first - 1 }),
        stopping,
      )
    }
    const scan = new Scan(database, place, selection, { first, last })
    if (this.#query.follow !== true) return yield* this.#history(scan, stopping)
    while (!stopping.signal.aborted && !scan.isOver) {
      // Listened for before it is asked, so that what comes in between is heard.
      const heard = news.wait(place.id, stopping.signal)
      yield* this.#history(scan, stopping)
      await heard
    }
  }

  /** What is there now. */
  async *#history(scan: Scan, stopping: Stopping): AsyncGenerator<readonly StoredMessage[], void, undefined> {
    for (let hasMore = true; hasMore && !stopping.signal.aborted; ) {
      const page = await this.#page(scan, stopping)
      yield page.messages
      hasMore = page.hasMore
    }
  }

  /** While the server cannot be asked, a reading that follows pauses and tries again. */
  async #page(scan: Scan, stopping: Stopping): Promise<Page> {
    for (let pauseMs = FIRST_PAUSE_MS; ; pauseMs = Math.min(2 * pauseMs, LAST_PAUSE_MS)) {
      try {
        return (await stopping.unless(scan.next())) ?? NOTHING
      } catch (thrown) {
        const error = ledgerError(this.#what, thrown)
        if (this.#query.follow !== true || !error.retryable) throw error
        this.#room.logger.log('debug', `[dual] ${this.#what}: trying again`, { error: error.message, pauseMs })
        await this.#pause(pauseMs, stopping)
      }
    }
  }

  async #pause(ms: number, stopping: Stopping): Promise<void> {
    let timer: Timer | undefined
    await stopping.unless(
      new Promise<void>((resolve) => {
        timer = this.#room.clock.timer(ms, resolve)
      }),
    )
    timer?.cancel()
  }

  // Where it begins and ends.

  #begin(): Promise<Beginning> {
    this.#beginning ??= this.#lookUp().catch((thrown: unknown) => {
      this.#assertOpen()
      throw ledgerError(this.#what, thrown)
    })
    return this.#beginning
  }

  async #lookUp(): Promise<Beginning> {
    this.#assertOpen()
    const { database, streams } = this.#room
    const { stream, filters, from, follow = false, toSequence = Number.MAX_SAFE_INTEGER, toTimeMs } = this.#query
    const place = { id: streams.require(stream).id, name: stream }
    const fromMs = typeof from === 'object' && 'timeMs' in from ? from.timeMs : null
    const untilMs = toTimeMs === undefined ? null : Math.floor(toTimeMs) + 1
    const statement = readingBounds(database.schema, place.id, [fromMs, untilMs])
    const [bounds] = await database.query<ReadingBounds>('work', statement)
    if (bounds === undefined) throw new BusError('BUS_NOT_FOUND', `[dual] ${this.#what}: it was deleted`)
    const end = Number(bounds.last)
    const until = bounds.until === null ? end : Math.min(end, Number(bounds.until) - 1)
    const last = Math.min(toSequence, follow ? Number.MAX_SAFE_INTEGER : until)
    const selection = { filters, maxAgeMs: bounds.max_age_ms === null ? null : Number(bounds.max_age_ms) }
    const chosen = from === 'last-per-subject' ? await this.#newest(place, selection, end) : []
    const first = await this.#firstOf(place, selection, end, bounds.from)
    return { place, selection, chosen: chosen.filter((position) => position <= last), first, last }
  }

  /** @param at the position of the time that the query begins at */
  async #firstOf(place: LedgerPlace, selection: Selection, end: number, at: string | null): Promise<number> {
    const { from } = this.#query
    if (from === 'all') return 1
    if (from === 'new' || from === 'last-per-subject') return end + 1
    if (typeof from === 'object') return 'sequence' in from ? from.sequence : Number(at)
    const backwards = { first: 1, last: end, order: 'newest-first', limit: 1 } as const
    for await (const { sequence } of new Scan(this.#room.database, place, selection, backwards)) return sequence
    return end + 1
  }

  /** Positions, lowest first. */
  async #newest(place: LedgerPlace, selection: Selection, end: number): Promise<readonly number[]> {
    const { database } = this.#room
    const newest = new Map<string, number>()
    for (let last = end; ; ) {
      const rows = await database.query<NewestRow>('work', newestPerSubject(database.schema, place.id, last, selection))
      for (const { subject, position } of rows)
        if (subject !== null && !newest.has(subject)) newest.set(subject, Number(position))
      const reached = rows[0]?.reached
      if (reached === undefined) return [...newest.values()].sort((a, b) => a - b)
      last = Number(reached) - 1
    }
  }

  #assertOpen(): void {
    if (this.#room.closing.aborted) throw new BusError('BUS_CLOSED', '[dual] the adapter is closed')
  }
}
