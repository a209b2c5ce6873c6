/**
 * What a handler and an application do in a transaction of the ledger: statements, and publishes that are accepted when it commits.
 * When it begins and how it ends is its owner's business.
 */

import type { QueryResult, Work } from './ledger.js'
import type { Outgoing } from './message.js'
import type { PublishOptions } from './message-bus.js'
import type { Address } from './topic.js'

/** Publishing inside a transaction: no time limit of its own, no delay, no signal. */
export type TransactionPublishOptions = Pick<PublishOptions, 'id' | 'key' | 'headers'>

export interface Transaction {
  /** Runs a statement. The first one begins the transaction. */
  query<Row = Record<string, unknown>>(text: string, values?: readonly unknown[]): Promise<QueryResult<Row>>
  /** The client of the database inside the transaction (of `pg`), for query builders. It must not be released, nor commit. */
  client(): Promise<unknown>
  /** Accepted if and when the transaction commits. Everything that can be checked is checked now. */
  publish<Input>(to: Address<Input>, data: Input, options?: TransactionPublishOptions): Promise<{ readonly id: string }>
  publish(to: string, data: unknown, options?: TransactionPublishOptions): Promise<{ readonly id: string }>
}

/** A transaction, and the handle of who ends it. */
export interface Begun {
  readonly tx: Transaction
  readonly work: Work
}

/** @param prepare checks and encodes as publishing does */
export function beginWork(
  work: Work,
  prepare: (to: string | Address, data: unknown, options: TransactionPublishOptions) => Promise<Outgoing>,
): Begun {
  const tx: Transaction = {
    query: (text, values) => work.query(text, values),
    client: () => work.client(),
    publish: async (to: string | Address, data: unknown, options: TransactionPublishOptions = {}) => {
      const message = await prepare(to, data, options)
      work.publish(message)
      return { id: message.id }
    },
  }
  return { tx, work }
}
