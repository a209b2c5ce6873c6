/**
 * What a message of the ledger looks like in the inner backend: as it was published, plus one header that says which row it is. Bus and
 * handlers never see that header; to them a message has the ledger's position and time, whichever backend brought it.
 */
import type { Headers, Outgoing, StoredMessage } from '../../src/message.js'
import { NO_HEADERS, withHeaders } from '../../src/message.js'

/** `<position> <ms since the epoch>`, and ` again` when the inner backend may have had the message before. */
export const STAMP_HEADER = 'Busbar-Ledger'
/** What the header adds to a message at most: name, separators, two numbers, the word. */
export const STAMP_BYTES = 96

export interface Stamp {
  readonly position: number
  /** When the ledger took it, in ms since the epoch. */
  readonly timeMs: number
  /** Sent once more, after a doubt or a loss: consumers may have settled it. */
  readonly isAgain: boolean
}

type Sent = Pick<Outgoing, 'id' | 'subject' | 'key' | 'headers' | 'payload' | 'text'>

/**
 * A message for the inner backend. There its window recognises the position, not the id: a purged message must be taken again (JS-D2).
 * @param round distinguishes what is sent again on purpose from what was sent before; default: the first time, and its repetitions
 */
export function toInner(message: Sent, { position, timeMs, isAgain }: Stamp, round = ''): Outgoing {
  const { id, subject, key, headers, payload, text } = message
  const stamp = `${position} ${timeMs}${isAgain ? ' again' : ''}`
  return {
    id,
    dedupId: `${position}${round}/${timeMs}`,
    isFresh: false,
    subject,
    key,
    headers: withHeaders(headers, { [STAMP_HEADER]: stamp }),
    payload,
    text,
    delayMs: 0,
  }
}

/** Undefined for a message that did not come from the ledger. */
export function stampOf(headers: Headers): Stamp | undefined {
  const text = headers[STAMP_HEADER]
  if (text === undefined) return undefined
  const [position, timeMs, again] = text.split(' ')
  const stamp = { position: Number(position), timeMs: Number(timeMs), isAgain: again === 'again' }
  return Number.isSafeInteger(stamp.position) && stamp.position > 0 && Number.isSafeInteger(stamp.timeMs)
    ? stamp
    : undefined
}

export function withoutStamp(headers: Headers): Headers {
  const own: Record<string, string> = Object.create(null)
  let isEmpty = true
  for (const name in headers) {
    if (name === STAMP_HEADER) continue
    own[name] = headers[name] ?? ''
    isEmpty = false
  }
  return isEmpty ? NO_HEADERS : own
}

/** The message as the ledger knows it. */
export function fromInner(message: StoredMessage, { position, timeMs }: Stamp): StoredMessage {
  const { stream, id, subject, key, headers, payload, text } = message
  return { stream, sequence: position, time: timeMs, id, subject, key, headers: withoutStamp(headers), payload, text }
}
