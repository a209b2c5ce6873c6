/** All streams as they were declared. A short table. */
import type { Statement } from '../database/database.js'

export function definitions(schema: string): Statement {
  return { text: `select definition from ${schema}.streams order by name` }
}
