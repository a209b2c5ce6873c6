/**
 * What makes two publishes of one id the same: the subject and the payload bytes. Small payloads are kept for comparison, large ones as a
 * digest, so that a dedup window does not hold on to big messages that the stream has dropped.
 */
import { createHash } from 'node:crypto'
import type { Outgoing } from '../../src/message.js'

const DIGEST_OVER_BYTES = 1024

/** What a dedup window remembers of a message. */
export interface Accepted {
  readonly subject: string
  readonly bytes: Uint8Array
  /** 0 while the message is delayed. */
  readonly sequence: number
}

export function accepted({ subject, payload }: Outgoing, sequence: number): Accepted {
  return { subject, bytes: fingerprint(payload), sequence }
}

export function isSameContent(message: Outgoing, earlier: Accepted): boolean {
  return message.subject === earlier.subject && Buffer.compare(fingerprint(message.payload), earlier.bytes) === 0
}

function fingerprint(payload: Uint8Array): Uint8Array {
  return payload.byteLength <= DIGEST_OVER_BYTES ? payload : createHash('sha256').update(payload).digest()
}
