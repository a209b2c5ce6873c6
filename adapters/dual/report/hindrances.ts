/** Tells, for `health()` and `busbar doctor`, what keeps vacuum from doing its work in the whole database (PG-R5). */
import type { Database } from '../database/database.js'
import { type Hindrance, hindrances } from '../sql/hindrances.js'

/** Busbar's own transactions last seconds. */
const LONG_MS = 10 * 60_000

/** One sentence each. Rejects with `QueryFailure`. */
export async function findHindrances(database: Database, olderMs = LONG_MS): Promise<readonly string[]> {
  const rows = await database.query<Hindrance>('work', hindrances(olderMs))
  return rows.map(describe)
}

function describe({ kind, name, seconds }: Hindrance): string {
  const effect = 'Rows that are gone keep their room meanwhile'
  if (kind === 'slot') return `replication slot ${name} is not being read: drop it if nobody will. ${effect}`
  const what = kind === 'prepared' ? `prepared transaction ${name}` : `a transaction of process ${name}`
  return `${what} has been open for ${seconds} s: end it. ${effect}`
}
