/** What some messages are, without their payloads: by primary key, hashed by the server. */
import type { Statement } from '../database/database.js'

export interface Contents {
  readonly position: number
  readonly id: string
  readonly subject: string
  readonly key: string | null
  /** SHA-256 of the payload, hexadecimal. */
  readonly digest: string
}

export function contentsOf(schema: string, stream: number, positions: readonly number[]): Statement {
  return {
    text: `select l.position::float8 as position, l.id, l.subject, l.key, encode(sha256(l.payload), 'hex') as digest
      from ${schema}.ledger l where l.stream_id = $1 and l.position = any ($2)`,
    values: [stream, positions],
  }
}
