/**
 * What makes two publishes of one id the same: the subject and the payload bytes. Small payloads are kept for comparison, large ones as a
 * digest, so that a dedup window does not hold on to big messages that the stream has dropped.
 */
import { createHash } from 'node:crypto'

const DIGEST_OVER_BYTES = 1024

/** What a dedup window remembers of a message. A small message is remembered as it is. */
export interface Accepted {
  readonly subject: string
  /** The payload, or the digest of a large one. */
  readonly payload: Uint8Array
  /** 0 while the message is delayed. */
  readonly sequence: number
}

export function accepted(message: Accepted): Accepted {
  const { subject, payload, sequence } = message
  return payload.byteLength <= DIGEST_OVER_BYTES ? message : { subject, payload: fingerprint(payload), sequence }
}

export function isSameContent(message: Omit<Accepted, 'sequence'>, earlier: Accepted): boolean {
  return message.subject === earlier.subject && Buffer.compare(fingerprint(message.payload), earlier.payload) === 0
}

function fingerprint(payload: Uint8Array): Uint8Array {
  return payload.byteLength <= DIGEST_OVER_BYTES ? payload : createHash('sha256').update(payload).digest()
}
