/**
 * Claims messages for a handler's transaction by the primary key of the inbox (PG-L6): another attempt at one of them waits here until this
 * one commits, and then finds its row. Rows are inserted in key order, so that two batches cannot wait for each other.
 */
import type { LedgerDelivery } from '../consume/ledger-delivery.js'
import type { Statement } from '../database/database.js'

export interface Claimed {
  readonly id: string
  /** Number of the transaction, `xid8` as text. */
  readonly xid: string
}

export function claim(schema: string, deliveries: readonly LedgerDelivery[]): Statement {
  return {
    text: `insert into ${schema}.inbox (consumer_id, id, position)
      select u.consumer, u.id, u.position from unnest($1::int[], $2::text[], $3::bigint[]) u(consumer, id, position)
      order by u.consumer, u.id on conflict do nothing returning id, pg_current_xact_id()::text as xid`,
    values: [
      deliveries.map((delivery) => delivery.consumer),
      deliveries.map(({ message }) => message.id),
      deliveries.map(({ message }) => message.sequence),
    ],
  }
}

/** Gives back claims of messages that failed after all, inside the transaction that made them. */
export function disclaim(schema: string, deliveries: readonly LedgerDelivery[]): Statement {
  return {
    text: `delete from ${schema}.inbox i using unnest($1::int[], $2::text[]) u(consumer, id)
      where i.consumer_id = u.consumer and i.id = u.id`,
    values: [deliveries.map((delivery) => delivery.consumer), deliveries.map(({ message }) => message.id)],
  }
}
