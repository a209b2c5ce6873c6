/** Counts failed attempts of any consumers; idempotent, because a count only rises. Rows are written in key order: no deadlock. */
import type { Statement } from '../database/database.js'

export function noteFailed(
  schema: string,
  consumers: readonly number[],
  positions: readonly number[],
  attempts: readonly number[],
  delaysMs: readonly number[],
): Statement {
  const values = [consumers, positions, attempts, delaysMs.map(Math.ceil)]
  return { text: `select ${schema}.note_failed($1, $2, $3, $4)`, values }
}
