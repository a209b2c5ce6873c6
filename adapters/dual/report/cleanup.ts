/**
 * Keeps a ledger tidy in the background: floors of consumers, what is over age, ids and inbox rows that nobody can ask for any more, relays
 * that died. Every process does it for the whole schema; row locks keep two of them from doing the same. A statement touches a bounded
 * number of rows, and after a full one there is a pause, so that publishing hardly notices.
 *
 *   idle -- start() --> waiting -- timer --> cleaning --> waiting -- ... -- stop() --> idle
 */
import type { Clock, Timer } from '../../../src/clock.js'
import { describeThrown } from '../../../src/errors.js'
import type { Logger } from '../../../src/logger.js'
import type { Database, Statement } from '../database/database.js'
import { type AdvancedFloor, advanceFloor, listConsumers } from '../sql/advance-floor.js'
import { dropFailed } from '../sql/drop-failed.js'
import { type DroppedInbox, dropInbox } from '../sql/drop-inbox.js'
import { type Dropped, dropPastIds } from '../sql/drop-past-ids.js'
import { dropRelays } from '../sql/drop-relays.js'
import { type Forgotten, forgetAged } from '../sql/forget-aged.js'
import { type ListedStream, listStreams } from '../sql/list-streams.js'

export interface CleanupParts {
  readonly database: Database
  readonly clock: Clock
  readonly logger: Logger
  readonly keepIdsMs: number
  readonly leaseMs: number
  /** Between two passes. Default 5 s. */
  readonly everyMs?: number
  /** Rows that one statement touches, about. Default 1000. */
  readonly rows?: number
}

const EVERY_MS = 5000
const ROWS = 1000
const PAUSE_MS = 20
/** Leases that a relay has missed when it is given up. */
const MISSED_LEASES = 20

export class Cleanup {
  readonly #parts: CleanupParts
  readonly #rows: number
  #timer: Timer | undefined
  #pass: Promise<void> | undefined
  #isStopping = false
  #failure = ''
  #resume: () => void = () => {}

  constructor(parts: CleanupParts) {
    this.#parts = parts
    this.#rows = parts.rows ?? ROWS
  }

  start(): void {
    this.#isStopping = false
    this.#later()
  }

  /** Resolves when nothing runs any more. Idempotent, never rejects. */
  async stop(): Promise<void> {
    this.#isStopping = true
    this.#timer?.cancel()
    this.#resume()
    await this.#pass
  }

  /** Everything once. Rejects with `QueryFailure`. */
  async clean(): Promise<void> {
    await this.#forgetAged()
    await this.#advanceFloors()
    await this.#ask((schema) => dropFailed(schema, this.#rows))
    await this.#dropInbox()
    const { keepIdsMs, leaseMs } = this.#parts
    await this.#repeat(async () => {
      const [row] = await this.#ask<Dropped>((schema) => dropPastIds(schema, keepIdsMs, this.#rows))
      return Number(row?.dropped) === this.#rows
    })
    await this.#ask((schema) => dropRelays(schema, MISSED_LEASES * leaseMs))
  }

  async #forgetAged(): Promise<void> {
    for (const { id } of await this.#ask<ListedStream>((schema) => listStreams(schema, null))) {
      await this.#repeat(async () => {
        const [row] = await this.#ask<Forgotten>((schema) => forgetAged(schema, id, this.#rows))
        return Number(row?.forgotten) === this.#rows
      })
    }
  }

  async #advanceFloors(): Promise<void> {
    for (const { id } of await this.#ask<{ id: number }>(listConsumers)) {
      await this.#repeat(async () => {
        const [row] = await this.#ask<AdvancedFloor>((schema) => advanceFloor(schema, id, this.#rows))
        return row?.has_more === true
      })
    }
  }

  async #dropInbox(): Promise<void> {
    let after = '-infinity'
    await this.#repeat(async () => {
      const [row] = await this.#ask<DroppedInbox>((schema) =>
        dropInbox(schema, this.#parts.keepIdsMs, after, this.#rows),
      )
      after = row?.last ?? after
      return Number(row?.seen) === this.#rows
    })
  }

  #ask<Row extends object>(statement: (schema: string) => Statement): Promise<Row[]> {
    const { database } = this.#parts
    return database.query<Row>('work', statement(database.schema))
  }

  /** @param step whether there is more to do */
  async #repeat(step: () => Promise<boolean>): Promise<void> {
    while (!this.#isStopping && (await step())) await this.#pause()
  }

  // Time.

  #later(): void {
    const { clock, everyMs = EVERY_MS } = this.#parts
    this.#timer = clock.timer(everyMs, () => this.#run(), { ref: false })
  }

  #run(): void {
    this.#pass = this.clean()
      .then(() => {
        this.#failure = ''
      })
      .catch((thrown: unknown) => this.#tell(describeThrown(thrown)))
      .finally(() => {
        this.#pass = undefined
        if (!this.#isStopping) this.#later()
      })
  }

  /** An outage is told once. */
  #tell(error: string): void {
    if (error !== this.#failure) this.#parts.logger.log('warn', '[dual] the ledger could not be cleaned', { error })
    this.#failure = error
  }

  async #pause(): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#resume = resolve
      this.#timer = this.#parts.clock.timer(PAUSE_MS, resolve, { ref: false })
    })
  }
}
