/** The row of a durable consumer: found by its unique name, written once, under the lock of its stream. */
import type { ResolvedConsumer } from '../../../src/topology.js'
import type { Statement } from '../database/database.js'
import { ROW } from '../ledger-row.js'

export interface ConsumerRow {
  readonly id: number
  /** As it was when the row was made. */
  readonly definition: ResolvedConsumer
  /** `bigint` as text (PG-B3). */
  readonly floor: string
  readonly inner_from: unknown
  /** The highest position that is settled above the floor. */
  readonly highest: string | null
}

export function findConsumer(schema: string, name: string): Statement {
  return {
    text: `select c.id, c.definition, c.floor, c.inner_from,
        (select max(d.position) from ${schema}.settled d where d.consumer_id = c.id) as highest
      from ${schema}.consumers c where c.name = $1`,
    values: [name],
  }
}

/** Definitions of the consumers of a stream. */
export function consumersOf(schema: string, stream: number): Statement {
  return { text: `select definition from ${schema}.consumers where stream_id = $1`, values: [stream] }
}

export interface NewConsumer {
  readonly name: string
  readonly stream: number
  readonly definition: string
  readonly pattern: string
  readonly floor: number
  readonly innerFrom: string
}

export function addConsumer(schema: string, consumer: NewConsumer): Statement {
  const { name, stream, definition, pattern, floor, innerFrom } = consumer
  return {
    text: `insert into ${schema}.consumers (name, stream_id, definition, pattern, floor, inner_from)
      values ($1, $2, $3, $4, $5, $6) returning id`,
    values: [name, stream, definition, pattern, floor, innerFrom],
  }
}

/** Messages at or below the floor that the consumer is to see all the same. */
export function owe(schema: string, consumer: number, positions: readonly number[]): Statement {
  return {
    text: `insert into ${schema}.owed (consumer_id, position) select $1, unnest($2::bigint[])`,
    values: [consumer, positions],
  }
}

export function owedTo(schema: string, consumer: number): Statement {
  return { text: `select position from ${schema}.owed where consumer_id = $1`, values: [consumer] }
}

/** The lock that append() takes: while it is held, the end of the stream stands still. */
export function lockStream(schema: string, stream: number): Statement {
  return { text: 'select pg_advisory_xact_lock(hashtext($1), $2)', values: [schema.slice(1, -1), stream] }
}

export interface EndOfStream {
  /** `bigint` as text (PG-B3), as the next two. The last that was given. */
  readonly position: string
  readonly messages: string
  /** Now, by the clock of the server. */
  readonly time_ms: string
}

/** By primary key. */
export function endOfStream(schema: string, stream: number): Statement {
  return {
    text: `select s.high as position, s.messages, (extract(epoch from clock_timestamp()) * 1000)::bigint as time_ms
      from ${schema}.streams s where s.id = $1`,
    values: [stream],
  }
}

/** The newest matching row, or the first from a position or a time on; by primary key, in order. */
export function firstRow(
  schema: string,
  stream: number,
  pattern: string,
  where: 'last' | { readonly position: number } | { readonly timeMs: number },
): Statement {
  const from = (condition: string, order: string, value: number): Statement => ({
    text: `select ${ROW} from ${schema}.ledger l
      where l.stream_id = $1 and l.subject ~ $2 and ${condition} order by l.position ${order} limit 1`,
    values: [stream, pattern, value],
  })
  if (where === 'last') return from('l.position >= $3', 'desc', 0)
  if ('position' in where) return from('l.position >= $3', 'asc', where.position)
  return from(`l.time >= to_timestamp($3 / 1000.0)`, 'asc', where.timeMs)
}

/** The newest row of each matching subject. Reads the whole stream once, when a consumer is made. */
export function lastOfSubjects(schema: string, stream: number, pattern: string): Statement {
  return {
    text: `select max(l.position) as position, (extract(epoch from min(l.time)) * 1000)::bigint as time_ms
      from ${schema}.ledger l
      join (select subject, max(position) as position from ${schema}.ledger where stream_id = $1 and subject ~ $2 group by subject) n
        on n.position = l.position
      where l.stream_id = $1 group by l.position order by 1`,
    values: [stream, pattern],
  }
}
