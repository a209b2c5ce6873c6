/** Which rows of a stream a question is about, as a condition of SQL over `l`, the ledger, and the values of its parameters. */
import { patternOf } from '../subject-pattern.js'

export interface Selection {
  /** Patterns; none: every subject. */
  readonly filters: readonly string[]
  readonly key?: string | undefined
  /** Only these. */
  readonly positions?: readonly number[] | undefined
  /** Rows of that age and older are not seen; null: any age is. */
  readonly maxAgeMs: number | null
}

export interface Condition {
  readonly text: string
  readonly values: readonly unknown[]
}

/** @param used how many parameters the statement has before these */
export function conditionOf({ filters, key, positions, maxAgeMs }: Selection, used: number): Condition {
  const parts: string[] = []
  const values: unknown[] = []
  const add = (value: unknown, part: (parameter: string) => string): void => {
    values.push(value)
    parts.push(part(`$${used + values.length}`))
  }
  if (positions !== undefined) add(positions, (these) => `l.position = any (${these}::bigint[])`)
  // The index ledger_keys is over the hash.
  if (key !== undefined) add(key, (own) => `hashtext(l.key) = hashtext(${own}) and l.key = ${own}`)
  // A filter equal to the stream's subjects is no exception: rows may be older than the stream's present subjects.
  if (filters.length > 0 && !filters.includes('>')) add(patternOf(filters), (pattern) => `l.subject ~ ${pattern}`)
  // "is true", so that no index by time is preferred to the order of positions: hardly any row is over age.
  if (maxAgeMs !== null)
    add(maxAgeMs, (age) => `(l.time > statement_timestamp() - ${age}::bigint * interval '1 millisecond') is true`)
  return { text: parts.map((part) => ` and ${part}`).join(''), values }
}
