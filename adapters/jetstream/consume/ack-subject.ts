/**
 * What the reply subject of a delivery says (JS-H6). The client's own parser is not among its exports. Forms, by their dots:
 *
 *   $JS.ACK.<stream>.<consumer>.<count>.<sequence>.<consumer sequence>.<time>.<pending>
 *   $JS.ACK.<domain>.<account>.<stream>.<consumer>.<count>.<sequence>.<consumer sequence>.<time>.<pending>[.<token>]
 */

const NS_PER_MS = 1_000_000

export interface DeliveryFacts {
  readonly stream: string
  /** Position in the stream. */
  readonly sequence: number
  /** Position in what the consumer was handed, redeliveries included. */
  readonly consumerSequence: number
  /** ms since the epoch */
  readonly time: number
  /** How often the server has handed the message out, this time included. */
  readonly count: number
  /** Matching messages that were not handed out then. */
  readonly pending: number
}

const START = '$JS.ACK.'
const DOT = 46
const [ZERO, NINE] = [48, 57]
/** Dots behind the start. */
const [SHORT_DOTS, LONG_DOTS] = [6, 8]

/** Undefined for a subject that no consumer has given. Read digit by digit: a list of its tokens would cost more than the rest of it. */
export function parseAckSubject(subject: string): DeliveryFacts | undefined {
  if (!subject.startsWith(START)) return undefined
  const dots = countDots(subject)
  if (dots !== SHORT_DOTS && dots < LONG_DOTS) return undefined
  const at = dots === SHORT_DOTS ? START.length : skip(subject, START.length, 2)
  const countAt = skip(subject, at, 2)
  const sequenceAt = skip(subject, countAt, 1)
  const consumerSequenceAt = skip(subject, sequenceAt, 1)
  const timeAt = skip(subject, consumerSequenceAt, 1)
  const count = numberAt(subject, countAt)
  const sequence = numberAt(subject, sequenceAt)
  const consumerSequence = numberAt(subject, consumerSequenceAt)
  const time = Math.floor(numberAt(subject, timeAt) / NS_PER_MS)
  const pending = numberAt(subject, skip(subject, timeAt, 1))
  if (Number.isNaN(count + sequence + consumerSequence + time + pending)) return undefined
  return { stream: subject.slice(at, subject.indexOf('.', at)), count, sequence, consumerSequence, time, pending }
}

function countDots(subject: string): number {
  let dots = 0
  for (let at = START.length; at < subject.length; at++) if (subject.charCodeAt(at) === DOT) dots++
  return dots
}

/** Where the token begins that many tokens on. */
function skip(subject: string, from: number, tokens: number): number {
  let at = from
  for (let left = tokens; left > 0; left--) at = subject.indexOf('.', at) + 1
  return at
}

/** Up to the next dot; NaN for what is no number. A time in ns has more digits than a number keeps; the last ones do not matter. */
function numberAt(subject: string, from: number): number {
  let value = 0
  let at = from
  for (; at < subject.length; at++) {
    const code = subject.charCodeAt(at)
    if (code === DOT) break
    if (code < ZERO || code > NINE) return Number.NaN
    value = value * 10 + (code - ZERO)
  }
  return at === from ? Number.NaN : value
}
