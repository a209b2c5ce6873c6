/**
 * What makes two publishes of one id the same: the subject and the payload bytes. Small payloads are kept for comparison, large ones as a
 * digest, so that a dedup window does not hold on to big messages that the stream has dropped.
 */
import { createHash } from 'node:crypto'
import type { Outgoing } from '../../src/message.js'
import type { KeptMessage } from './kept-message.js'

const DIGEST_OVER_BYTES = 1024

type Content = Pick<Outgoing, 'subject' | 'payload' | 'text'>

/** What a dedup window remembers of a message. */
export interface Accepted {
  /** What was compared: the message's `dedupId`. */
  readonly id: string
  readonly subject: string
  /** The payload, or the digest of a large one. */
  readonly payload: Uint8Array
  /** 0 while the message is delayed. */
  readonly sequence: number
}

export function idOf(accepted: Accepted): string {
  return accepted.id
}

/** A small message is remembered as it is stored. */
export function acceptedAs(stored: KeptMessage, message: Outgoing): Accepted {
  const isAsItIs = stored.bytes <= DIGEST_OVER_BYTES && message.dedupId === stored.id
  return isAsItIs ? stored : acceptedLater(message, stored.sequence)
}

/** For a message that has no place in the stream yet. */
export function acceptedLater(message: Outgoing, sequence = 0): Accepted {
  return { id: message.dedupId, subject: message.subject, payload: fingerprint(message), sequence }
}

export function isSameContent(message: Content, earlier: Accepted): boolean {
  return message.subject === earlier.subject && Buffer.compare(fingerprint(message), earlier.payload) === 0
}

function fingerprint(message: Content): Uint8Array {
  const { payload } = message
  return payload.byteLength <= DIGEST_OVER_BYTES ? payload : createHash('sha256').update(payload).digest()
}
