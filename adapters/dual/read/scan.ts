/** Goes through a stretch of a stream page by page. Between two pages nothing is open at the server: what is removed meanwhile is not seen. */
import type { StoredMessage } from '../../../src/message.js'
import type { Database } from '../database/database.js'
import { toStored } from '../ledger-row.js'
import { type ScannedRow, type Stretch, scanPage } from '../sql/scan-page.js'
import type { Selection } from './selection.js'

export interface LedgerPlace {
  readonly id: number
  readonly name: string
}

export interface Page {
  readonly messages: readonly StoredMessage[]
  /** Whether something may be left of the stretch. */
  readonly hasMore: boolean
}

export interface ScanBounds {
  /** Positions, inclusive. */
  readonly first: number
  readonly last: number
  /** Default: oldest first. */
  readonly order?: Stretch['order']
  /** Messages of the first page, at most. */
  readonly limit?: number
}

/** The first page is small, because many readers want one message; the next ones grow. */
const [FIRST_LIMIT, LAST_LIMIT, GROWTH] = [50, 1000, 4]
const PAGE_BYTES = 4 * 1024 * 1024

export class Scan {
  readonly #database: Database
  readonly #stream: LedgerPlace
  readonly #selection: Selection
  readonly #order: Stretch['order']
  #first: number
  #last: number
  #limit: number

  constructor(database: Database, stream: LedgerPlace, selection: Selection, bounds: ScanBounds) {
    this.#database = database
    this.#stream = stream
    this.#selection = selection
    this.#order = bounds.order ?? 'oldest-first'
    this.#first = bounds.first
    this.#last = bounds.last
    this.#limit = bounds.limit ?? FIRST_LIMIT
  }

  /** Nothing can be left, whatever is stored from now on. */
  get isOver(): boolean {
    return this.#first > this.#last
  }

  /** Rejects with `QueryFailure`; the same page can then be asked for again. */
  async next(): Promise<Page> {
    if (this.isOver) return { messages: [], hasMore: false }
    const limit = this.#limit
    const stretch: Stretch = {
      stream: this.#stream.id,
      first: this.#first,
      last: this.#last,
      order: this.#order,
      limit,
      maxBytes: PAGE_BYTES,
    }
    const statement = scanPage(this.#database.schema, stretch, this.#selection)
    const rows = await this.#database.query<ScannedRow>('work', statement)
    const reached = rows[0]?.reached
    if (reached === undefined) return { messages: [], hasMore: false }
    const found = rows.flatMap(({ position, ...row }) => (position === null ? [] : [{ ...row, position }]))
    const isCut = found.length === limit || found.reduce((sum, { bytes }) => sum + bytes, 0) >= PAGE_BYTES
    this.#goOn(Number((isCut ? found.at(-1)?.position : undefined) ?? reached))
    this.#limit = Math.min(limit * GROWTH, LAST_LIMIT)
    return { messages: found.map((row) => toStored(this.#stream.name, row)), hasMore: !this.isOver }
  }

  /** All that is left. Rejects as `next()`. */
  async *[Symbol.asyncIterator](): AsyncGenerator<StoredMessage, void, undefined> {
    for (let hasMore = true; hasMore; ) {
      const page = await this.next()
      yield* page.messages
      hasMore = page.hasMore
    }
  }

  /** Behind a position that was seen. */
  #goOn(position: number): void {
    if (this.#order === 'oldest-first') this.#first = position + 1
    else this.#last = position - 1
  }
}
