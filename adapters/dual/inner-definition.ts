/** What a stream is in the inner backend. The ledger decides what is accepted and kept; the inner stream must only never be stricter. */
import type { ResolvedStream } from '../../src/topology.js'
import { STAMP_BYTES } from './stamp.js'

/** A backend counts subjects, ids and its own records too: a stream that drops the oldest must not do so before the ledger does. */
const BYTES_FACTOR = 2

/** The same stream with room for the stamp. With `discard: 'new'` it has no other limits: the ledger has refused what does not fit. */
export function innerDefinition(stream: ResolvedStream): ResolvedStream {
  const maxMessageBytes = stream.maxMessageBytes + STAMP_BYTES
  if (stream.discard === 'old') return { ...stream, maxMessageBytes, maxBytes: BYTES_FACTOR * stream.maxBytes }
  return { ...stream, maxMessageBytes, maxMessages: Number.POSITIVE_INFINITY, maxBytes: Number.POSITIVE_INFINITY }
}
