/** Takes or keeps the lead of a stream by the clock of the server (PG-L9), and gives it up. One row a stream; never waits for a message. */
import type { Statement } from '../database/database.js'

/** Answers with a row when the lead is ours. */
export function lead(schema: string, stream: number, owner: string, ms: number): Statement {
  return { text: `select from ${schema}.lead($1, $2, $3) is_ours where is_ours`, values: [stream, owner, ms] }
}

export function giveUpLead(schema: string, stream: number, owner: string): Statement {
  return { text: `select ${schema}.give_up_lead($1, $2)`, values: [stream, owner] }
}
