/** Why a publish has to go again, and whether it may be stored all the same. When it goes again is the business of `stream-writer.ts`. */
import { SERVER } from '../failure.js'
import type { Answer } from './ack.js'

/** Why a flight comes back. */
export interface Setback {
  readonly trouble: string
  /** The attempt may have been stored all the same. */
  readonly isInDoubt: boolean
  /** No word of the stream: it may not be there. */
  readonly isStreamInDoubt: boolean
}

/** Status 503: surely not stored (JS-P3). */
export const NOBODY: Setback = {
  trouble: 'nobody takes it, the stream may be without a leader',
  isInDoubt: false,
  isStreamInDoubt: true,
}
export const SILENCE: Setback = { trouble: 'the server did not answer', isInDoubt: true, isStreamInDoubt: true }
export const LOST: Setback = { trouble: 'the connection was lost', isInDoubt: true, isStreamInDoubt: false }
/** Only for what is sent again: the answer to an atomic batch, not to a message. */
export const STRANGE: Setback = { trouble: 'what answered is not the stream', isInDoubt: true, isStreamInDoubt: false }

export type Refusal = Answer & { readonly kind: 'refused' }

/** The server did not store it, and may do so soon. */
const PASSING: ReadonlySet<number> = new Set([SERVER.clusterNotAvailable, SERVER.tooManyRequests])

/** Undefined when the refusal is final: not stored, and not the next time either. */
export function setbackOf(refusal: Refusal): Setback | undefined {
  const { errorCode, description } = refusal
  const isInDoubt = errorCode === SERVER.duplicateInProcess || isStoreFault(refusal)
  if (!isInDoubt && !PASSING.has(errorCode)) return undefined
  return { trouble: description, isInDoubt, isStreamInDoubt: false }
}

/** A full stream and a store that failed have one code; a failed store may have kept some of it. */
function isStoreFault({ errorCode, description }: Refusal): boolean {
  return errorCode === SERVER.streamFull && !/^maximum .*exceeded/.test(description)
}
