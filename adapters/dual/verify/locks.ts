/**
 * Locks that a repair takes, each for as long as a transaction of its own is open. Nothing is read or written in it, so it holds back no
 * vacuum, and a pooler in transaction mode keeps its connection (PG-P2, PG-R5).
 */
import type { PoolClient } from 'pg'
import type { Clock } from '../../../src/clock.js'
import { BusError } from '../../../src/errors.js'
import { BEGIN, type Database } from '../database/database.js'
import { lockStream } from '../sql/consumers.js'
import type { LedgerStream } from '../streams.js'

/** Before the server ends a transaction in which nothing happens. */
const TOUCH_MS = 500

/** One repair of a stream at a time, whatever the process. Throws `BUS_CONFLICT` when another one is under way. */
export async function whileAlone<Result>(
  database: Database,
  { id, definition }: LedgerStream,
  clock: Clock,
  work: () => Promise<Result>,
): Promise<Result> {
  const client = await database.connect('work')
  let touch: Touch | undefined
  try {
    await client.query(BEGIN)
    const { rows } = await client.query<{ alone: boolean }>(
      'select pg_try_advisory_xact_lock(hashtext($1), $2) as alone',
      [`${database.schema} repair`, id],
    )
    if (rows[0]?.alone !== true) throw underWay(definition.name)
    touch = new Touch(client, clock)
    return await work()
  } finally {
    await touch?.end()
    await client.query('rollback').then(
      () => client.release(),
      () => client.release(true),
    )
  }
}

/** Nobody appends to the stream meanwhile: publishers wait. @param work is given the client; what it writes commits at its end */
export async function whileNothingIsAppended<Result>(
  database: Database,
  { id }: LedgerStream,
  work: (client: PoolClient) => Promise<Result>,
): Promise<Result> {
  const client = await database.connect('work')
  try {
    await client.query(BEGIN)
    const { text, values = [] } = lockStream(database.schema, id)
    await client.query(text, [...values])
    const result = await work(client)
    await client.query('commit')
    client.release()
    return result
  } catch (thrown) {
    client.release(true)
    throw thrown
  }
}

/** A server ends a transaction in which nothing happens for too long. */
class Touch {
  readonly #client: PoolClient
  readonly #clock: Clock
  #timer: { cancel(): void } | undefined
  #last: Promise<unknown> = Promise.resolve()

  constructor(client: PoolClient, clock: Clock) {
    this.#client = client
    this.#clock = clock
    this.#arm()
  }

  async end(): Promise<void> {
    this.#timer?.cancel()
    this.#timer = undefined
    await this.#last
  }

  #arm(): void {
    this.#timer = this.#clock.timer(TOUCH_MS, () => {
      // The work can go on when the connection is lost: two repairs at a time send some messages twice.
      this.#last = this.#client.query('select').then(
        () => this.#timer !== undefined && this.#arm(),
        () => {},
      )
    })
  }
}

function underWay(stream: string): BusError {
  const problem = `repair stream ${stream}: another repair of it is under way. Wait until it has ended`
  return new BusError('BUS_CONFLICT', `[dual] ${problem}`, { retryable: true })
}
