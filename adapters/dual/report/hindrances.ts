/** Tells, for `health()` and `busbar doctor`, what keeps vacuum from doing its work in the whole database (PG-R5), and what the inner backend refuses. */
import type { Database } from '../database/database.js'
import { type Hindrance, hindrances } from '../sql/hindrances.js'
import { countParked, type ParkedCount } from '../sql/parked.js'

/** Busbar's own transactions last seconds. */
const LONG_MS = 10 * 60_000

/** One sentence each. Rejects with `QueryFailure`. */
export async function findHindrances(database: Database, olderMs = LONG_MS): Promise<readonly string[]> {
  const rows = await database.query<Hindrance>('work', hindrances(olderMs))
  return rows.map(describe)
}

/** One sentence for each stream. Rejects with `QueryFailure`. */
export async function findParked(database: Database): Promise<readonly string[]> {
  const rows = await database.query<ParkedCount>('work', countParked(database.schema))
  return rows.map(({ stream, messages }) => {
    const remedy = "Raise the inner stream's limit, or remove them; they are tried again"
    return `[dual] stream ${stream}: ${messages} messages are parked, because the inner backend refuses them or one of their key. ${remedy}`
  })
}

function describe({ kind, name, seconds }: Hindrance): string {
  const effect = 'Rows that are gone keep their room meanwhile'
  if (kind === 'slot') return `replication slot ${name} is not being read: drop it if nobody will. ${effect}`
  const what = kind === 'prepared' ? `prepared transaction ${name}` : `a transaction of process ${name}`
  return `${what} has been open for ${seconds} s: end it. ${effect}`
}
