/**
 * The connections to PostgreSQL: one pool for publishing, one for the bus's own work, one for handlers, so that none can starve another
 * (PG-J5). Every statement has a time limit on both sides (PG-J2, PG-J4), every client an error handler (PG-J1), and a client that failed
 * is never used again (PG-J3).
 */
import pg from 'pg'
import { describeThrown } from '../../../src/errors.js'
import type { Logger } from '../../../src/logger.js'
import type { ResolvedDual } from '../options.js'
import { isRefusal, QueryFailure } from './pg-failure.js'

export type Purpose = 'publish' | 'work' | 'handlers'

export interface Statement {
  readonly text: string
  readonly values?: readonly unknown[]
}

/** What was committed while a lock was waited for must be seen, whatever isolation the database has by default. */
export const BEGIN = 'begin isolation level read committed'

/** How much longer than the server a client waits for a statement, in ms: its own "no" is worth more than our silence. */
const PATIENCE_MS = 2000
const KEEP_IDLE_MS = 30_000
const SIZES = { publish: 2, work: 6 } as const
/** Compiling the figures of inspect() takes longer than running them. */
const SETTINGS = '-c jit=off'
/** The application's own transactions are isolated as its database says. */
const OWN_SETTINGS = `${SETTINGS} -c default_transaction_isolation=read\\ committed`

export class Database {
  readonly #options: ResolvedDual
  readonly #pools: Readonly<Record<Purpose, pg.Pool>>
  #logger: Logger | undefined
  #isReached = false
  #trouble = ''

  constructor(options: ResolvedDual) {
    this.#options = options
    this.#pools = {
      publish: this.#pool(SIZES.publish, OWN_SETTINGS),
      work: this.#pool(SIZES.work, OWN_SETTINGS),
      handlers: this.#pool(options.transactions, SETTINGS),
    }
  }

  /** Quoted, for the text of statements. */
  get schema(): string {
    return `"${this.#options.schema}"`
  }

  /** Why the last statement did not reach the server; `''` while they do. */
  get trouble(): string {
    return this.#isReached ? '' : this.#trouble || 'not connected yet'
  }

  set logger(logger: Logger) {
    this.#logger = logger
  }

  /**
   * A statement of its own: it commits when it succeeds. Throws `QueryFailure`.
   * @param statement or what makes it when a connection is there; undefined: nothing is sent after all
   */
  async query<Row extends object>(
    purpose: Purpose,
    statement: Statement | (() => Statement | undefined),
  ): Promise<Row[]> {
    const client = await this.connect(purpose)
    const made = typeof statement === 'function' ? statement() : statement
    if (made === undefined) {
      client.release()
      return []
    }
    const { text, values = [] } = made
    try {
      const { rows } = await client.query<Row>(text, [...values])
      client.release()
      return rows
    } catch (thrown) {
      const failure = new QueryFailure(isRefusal(thrown) ? 'refused' : 'unknown', thrown)
      this.#note(failure)
      client.release(failure.effect === 'unknown')
      throw failure
    }
  }

  /** A client of one's own, to be released. Throws `QueryFailure` with the effect `not-sent`. */
  async connect(purpose: Purpose): Promise<pg.PoolClient> {
    try {
      const client = await this.#pools[purpose].connect()
      this.#isReached = true
      return client
    } catch (thrown) {
      const failure = new QueryFailure('not-sent', thrown)
      this.#note(failure)
      throw failure
    }
  }

  async close(): Promise<void> {
    await Promise.allSettled(Object.values(this.#pools).map((pool) => pool.end()))
  }

  #pool(max: number, settings: string): pg.Pool {
    const { connection, pooler, statementTimeoutMs, connectTimeoutMs } = this.#options
    const server = {
      statement_timeout: statementTimeoutMs,
      lock_timeout: statementTimeoutMs,
      idle_in_transaction_session_timeout: 10 * statementTimeoutMs,
      options: settings,
    }
    const pool = new pg.Pool({
      application_name: 'busbar',
      keepAlive: true,
      ...(pooler ? {} : server),
      ...connection,
      query_timeout: statementTimeoutMs + PATIENCE_MS,
      connectionTimeoutMillis: connectTimeoutMs,
      idleTimeoutMillis: KEEP_IDLE_MS,
      max,
    })
    pool.on('error', (error) => this.#complain(error))
    // From its first moment on: between the pool's own care and its taker's, a client would have nobody for its errors (PG-J1).
    pool.on('connect', (client) => void client.on('error', (error) => this.#complain(error)))
    return pool
  }

  #note(failure: QueryFailure): void {
    if (failure.effect === 'refused') return
    this.#isReached = false
    this.#trouble = failure.message
  }

  #complain(error: Error): void {
    this.#logger?.log('debug', '[dual] a connection to PostgreSQL was lost', { error: describeThrown(error) })
  }
}
