/** Moves messages whose time has come into the ledger. Every process does: what one left behind, another moves. */
import type { AdapterHost } from '../../../src/adapter.js'
import type { Timer } from '../../../src/clock.js'
import { describeThrown } from '../../../src/errors.js'
import type { Database } from '../database/database.js'
import { NOBODY } from '../relay/outbox.js'
import { type Promoted, promote } from '../sql/promote.js'

/** Looks at least that often: for what other processes took and did not live to move. */
const LOOK_MS = 1000
/** When nothing could be moved, though it is due: a stream is held, or full. */
const HELD_MS = 10

export class DelayedMessages {
  readonly #database: Database
  readonly #onMoved: () => void
  #host: AdapterHost | undefined
  #timer: Timer | undefined
  #looksAt = Number.POSITIVE_INFINITY
  #moving: Promise<void> | undefined
  #isClosed = false

  constructor(database: Database, onMoved: () => void) {
    this.#database = database
    this.#onMoved = onMoved
  }

  open(host: AdapterHost): void {
    this.#host = host
    this.expect(0)
  }

  /** One more falls due in so many ms. */
  expect(inMs: number): void {
    const { clock } = this.#host ?? {}
    if (clock === undefined || this.#isClosed) return
    const at = clock.monotonic() + inMs
    if (at >= this.#looksAt) return
    this.#timer?.cancel()
    this.#looksAt = at
    this.#timer = clock.timer(inMs, () => this.#look(), { ref: false })
  }

  async close(): Promise<void> {
    this.#isClosed = true
    this.#timer?.cancel()
    await this.#moving
  }

  #look(): void {
    this.#looksAt = Number.POSITIVE_INFINITY
    this.#moving ??= this.#move().then((inMs) => {
      this.#moving = undefined
      this.expect(inMs)
    })
  }

  /** @returns when to look again, in ms */
  async #move(): Promise<number> {
    try {
      const query = promote(this.#database.schema, NOBODY)
      const [row] = await this.#database.query<{ answer: Promoted }>('work', query)
      const { moved, next } = row?.answer ?? { moved: 0, next: null }
      if (moved > 0) this.#onMoved()
      return Math.min(Math.max(next ?? LOOK_MS, moved > 0 ? 0 : HELD_MS), LOOK_MS)
    } catch (thrown) {
      this.#host?.logger.log('debug', '[dual] delayed messages cannot be moved', { error: describeThrown(thrown) })
      return LOOK_MS
    }
  }
}
