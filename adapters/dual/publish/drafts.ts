/** Messages on their way into the ledger, as one statement takes them: JSON for what is text, one buffer for the payloads. */
import { type Headers, messageBytes, type Outgoing } from '../../../src/message.js'
import type { LedgerStream } from '../streams.js'
import { contentHash } from './content-hash.js'

export interface Draft {
  readonly message: Outgoing
  readonly stream: LedgerStream
}

export interface Drafts {
  /** JSON, an array of rows. */
  readonly rows: string
  readonly payloads: Buffer
}

/** Names of the type `draft` of the schema. */
export function toDrafts(drafts: readonly Draft[]): Drafts {
  const payloads: Uint8Array[] = []
  let start = 0
  const rows = drafts.map(({ message, stream }, ord) => {
    const { id, dedupId, isFresh, subject, key, headers, payload } = message
    payloads.push(payload)
    start += payload.byteLength
    return {
      ord,
      stream_id: stream.id,
      id,
      dedup_id: dedupId === id ? undefined : dedupId,
      deduped: stream.definition.dedupWindowMs > 0,
      fresh: isFresh,
      subject,
      key,
      headers: headersText(headers),
      hash: contentHash(message),
      start: start - payload.byteLength,
      length: payload.byteLength,
      bytes: messageBytes(message),
    }
  })
  return { rows: JSON.stringify(rows), payloads: Buffer.concat(payloads, start) }
}

/** Undefined for none. */
export function headersText(headers: Headers): string | undefined {
  for (const _ in headers) return JSON.stringify(headers)
  return undefined
}
