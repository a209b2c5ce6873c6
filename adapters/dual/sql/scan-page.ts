/**
 * The next rows of a stream that a selection takes, in order of positions or backwards. However rare they are, a statement looks at a bounded
 * stretch of the primary key (or, for a key, of ledger_keys), so that none runs into its time limit; and it returns a bounded number of bytes.
 * It locks nothing and holds nothing open.
 */
import type { Statement } from '../database/database.js'
import { type LedgerRow, ROW } from '../ledger-row.js'
import { conditionOf, type Selection } from '../read/selection.js'

export interface Stretch {
  readonly stream: number
  /** Inclusive, as the next one. */
  readonly first: number
  readonly last: number
  readonly order: 'oldest-first' | 'newest-first'
  /** Rows returned, at most. */
  readonly limit: number
  /** Payloads and headers returned, at most; one row is returned however large it is. */
  readonly maxBytes: number
}

/** One row at least while anything is left of the stretch. Without a match it has no `position`, but it tells how far the statement looked. */
export interface ScannedRow extends Omit<LedgerRow, 'position'> {
  readonly position: string | null
  readonly bytes: number
  /** The last position that was looked at, when fewer rows than asked for were found. `bigint` as text (PG-B3). */
  readonly reached: string
}

/** Rows that one statement looks at. */
const SPAN = 20_000

export function scanPage(schema: string, stretch: Stretch, selection: Selection): Statement {
  const { stream, first, last, limit, maxBytes } = stretch
  const [order, reach, inner] =
    stretch.order === 'oldest-first'
      ? ['asc', 'least($3, begin.position + $4 - 1, newest.position)', 'between begin.position and reach.position']
      : ['desc', 'greatest($2, begin.position - $4 + 1)', 'between reach.position and begin.position']
  // What an index finds needs no bound, and lies too far apart for one.
  const isFound = selection.key !== undefined || selection.positions !== undefined
  const begin = conditionOf(isFound ? selection : { filters: [], maxAgeMs: null }, 6)
  const wanted = conditionOf(selection, 6 + begin.values.length)
  return {
    text: `with begin as (
        select l.position from ${schema}.ledger l where l.stream_id = $1 and l.position between $2 and $3${begin.text}
        order by l.position ${order} limit 1
      ), newest as (
        -- What is stored after this statement began is not looked at, so it is not passed by either.
        select max(l.position) as position from ${schema}.ledger l where l.stream_id = $1
      ), reach as (select ${reach} as position from begin, newest)
      select reach.position as reached, page.* from begin cross join reach left join lateral (
        select ${ROW}, l.bytes from (
          select l.*, sum(l.bytes) over (order by l.position ${order}) - l.bytes as before from (
            select l.* from ${schema}.ledger l where l.stream_id = $1 and l.position ${inner}${wanted.text}
            order by l.position ${order} limit $5
          ) l
        ) l where l.before < $6
      ) page on true order by page.position ${order}`,
    values: [
      ...[stream, first, last, isFound ? Number.MAX_SAFE_INTEGER : SPAN, limit, maxBytes],
      ...begin.values,
      ...wanted.values,
    ],
  }
}
