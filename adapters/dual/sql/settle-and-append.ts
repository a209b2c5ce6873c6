/** The end of a handler's transaction that published: its settlements, and the locks of all streams that change, before what it appends. */
import type { Statement } from '../database/database.js'
import type { Drafts } from '../publish/drafts.js'

export interface Settled {
  readonly consumers: readonly number[]
  /** One for each consumer. */
  readonly positions: readonly number[]
}

export function settleAndAppend(schema: string, settled: Settled, owner: string, drafts: Drafts): Statement {
  return {
    text: `select ${schema}.settle_and_append($1, $2, $3, $4, $5) as answer`,
    values: [settled.consumers, settled.positions, owner, drafts.rows, drafts.payloads],
  }
}
