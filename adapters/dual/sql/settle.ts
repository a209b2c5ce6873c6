/** Records settlements of any consumers; idempotent, by the primary key of "settled". Rows are inserted in key order: no deadlock. */
import type { Statement } from '../database/database.js'

export function settle(schema: string, consumers: readonly number[], positions: readonly number[]): Statement {
  return { text: `select ${schema}.settle($1, $2)`, values: [consumers, positions] }
}
