/** A row of the ledger as statements return it, and the message that it is. */
import { type Headers, NO_HEADERS, type StoredMessage } from '../../src/message.js'

export interface LedgerRow {
  /** `bigint` travels as text (PG-B3); positions stay within 2^53. */
  readonly position: string
  /** ms since the epoch, as text. */
  readonly time_ms: string
  readonly id: string
  readonly subject: string
  readonly key: string | null
  /** JSON text. */
  readonly headers: string | null
  readonly payload: Buffer
}

/** What a statement selects to return a `LedgerRow`; `l` is the ledger. */
export const ROW = `l.position, (extract(epoch from l.time) * 1000)::bigint as time_ms, l.id, l.subject, l.key, l.headers, l.payload`

export function toStored(stream: string, row: LedgerRow): StoredMessage {
  return {
    stream,
    sequence: Number(row.position),
    time: Number(row.time_ms),
    id: row.id,
    subject: row.subject,
    key: row.key ?? undefined,
    headers: parseHeaders(row.headers),
    payload: row.payload,
  }
}

function parseHeaders(text: string | null): Headers {
  return text === null ? NO_HEADERS : Object.assign(Object.create(null), JSON.parse(text))
}
