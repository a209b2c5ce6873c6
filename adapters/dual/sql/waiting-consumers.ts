/**
 * Consumers that wait for something which was relayed long ago: it is not settled, and nothing of their stream is on its way. It looks at what is
 * owed and at the first rows above each floor only.
 */
import type { Statement } from '../database/database.js'

const ROWS = 10_000

export interface WaitingConsumer {
  readonly name: string
  /** The first that it waits for. */
  readonly position: number
}

export function waitingConsumers(schema: string): Statement {
  return {
    text: `select c.name, least(o.position, u.position)::float8 as position
      from ${schema}.consumers c join ${schema}.streams s on s.id = c.stream_id,
      lateral (
        select min(e.position) as position from ${schema}.owed e
        join ${schema}.ledger l on l.stream_id = c.stream_id and l.position = e.position
        where e.consumer_id = c.id
      ) o,
      lateral (
        select min(l.position) as position from (
          select l.position, l.subject, l.time from ${schema}.ledger l
          where l.stream_id = c.stream_id and l.position > c.floor order by l.position limit ${ROWS}
        ) l
        where l.subject ~ c.pattern
          and (s.max_age_ms is null or l.time > clock_timestamp() - s.max_age_ms * interval '1 millisecond')
          and not exists (select from ${schema}.settled d where d.consumer_id = c.id and d.position = l.position)
      ) u
      where least(o.position, u.position) is not null
        and not exists (select from ${schema}.outbox x where x.stream_id = c.stream_id)
        and not exists (select from ${schema}.parked p where p.stream_id = c.stream_id)`,
  }
}
