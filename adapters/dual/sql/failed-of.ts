/** Of some positions, those that a consumer has failed to handle. Reads one primary key. */
import type { Statement } from '../database/database.js'

/** Of a timer, and of an `int`: 24 days. Who waits longer is told so again. */
const MAX_WAIT_MS = 2_147_483_647

export interface Failed {
  /** `bigint` as text (PG-B3). */
  readonly position: string
  readonly attempt: number
  /** Until the next attempt is due, by the clock of the server (PG-L9). */
  readonly wait_ms: number
}

export function failedOf(schema: string, consumer: number, positions: readonly number[]): Statement {
  return {
    text: `select f.position, f.attempt,
        least(${MAX_WAIT_MS}, greatest(0, ceil(extract(epoch from f.due_at - clock_timestamp()) * 1000)))::int as wait_ms
      from ${schema}.failed f where f.consumer_id = $1 and f.position = any ($2)`,
    values: [consumer, positions],
  }
}
