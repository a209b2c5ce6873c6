/**
 * Messages that the inner backend refuses for what they are. Putting aside and taking back lock the stream; trying again is claimed by moving
 * the time of the next try, and rows that another process is claiming are passed by.
 */
import type { Statement } from '../database/database.js'
import { type LedgerRow, ROW } from '../ledger-row.js'

export interface Parking {
  readonly position: number
  readonly key: string | undefined
}

export function park(schema: string, stream: number, messages: readonly Parking[], round: string): Statement {
  const keys = messages.map(({ key }) => key ?? null)
  return {
    text: `select ${schema}.park($1, $2, $3, $4)`,
    values: [stream, messages.map(({ position }) => position), keys, round],
  }
}

export function unpark(schema: string, stream: number, positions: readonly number[]): Statement {
  return { text: `select ${schema}.unpark($1, $2)`, values: [stream, positions] }
}

/** A parked message whose turn it is; all but the first two are null when the ledger does not have it any more. */
export interface DueMessage extends LedgerRow {
  readonly parked: string
  readonly round: string
}

/** The next try comes after a second, then after two, at last once a minute. */
export function takeParked(schema: string, stream: number, limit: number): Statement {
  return {
    text: `with due as (
        select p.position from ${schema}.parked p where p.stream_id = $1 and p.retry_at <= clock_timestamp()
        order by p.retry_at limit $2 for update skip locked
      ), claimed as (
        update ${schema}.parked p
        set tries = tries + 1, retry_at = clock_timestamp() + least(60, power(2, least(tries, 6))) * interval '1 second'
        from due where p.stream_id = $1 and p.position = due.position returning p.position, p.round
      )
      select c.position as parked, c.round, ${ROW}
      from claimed c left join ${schema}.ledger l on l.stream_id = $1 and l.position = c.position order by c.position`,
    values: [stream, limit],
  }
}

/** Keys whose messages must wait. By the first of each, as the index parked_keys has them. */
export function parkedKeys(schema: string, stream: number): Statement {
  return {
    text: `select distinct p.key from ${schema}.parked p where p.stream_id = $1 and p.key is not null and p.retry_at < 'infinity'`,
    values: [stream],
  }
}

export interface ParkedCount {
  readonly stream: string
  readonly messages: number
}

export function countParked(schema: string): Statement {
  return {
    text: `select s.name as stream, count(*)::int as messages
      from ${schema}.parked p join ${schema}.streams s on s.id = p.stream_id group by s.name order by s.name`,
  }
}
