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

const SHORT_TOKENS = 9
const LONG_TOKENS = 11

/** Undefined for a subject that no consumer has given. */
export function parseAckSubject(subject: string): DeliveryFacts | undefined {
  const tokens = subject.split('.')
  if (tokens[0] !== '$JS' || tokens[1] !== 'ACK') return undefined
  if (tokens.length !== SHORT_TOKENS && tokens.length < LONG_TOKENS) return undefined
  const at = tokens.length === SHORT_TOKENS ? 2 : 4
  return {
    stream: tokens[at] ?? '',
    count: Number(tokens[at + 2]),
    sequence: Number(tokens[at + 3]),
    consumerSequence: Number(tokens[at + 4]),
    time: Math.floor(Number(tokens[at + 5]) / NS_PER_MS),
    pending: Number(tokens[at + 6]),
  }
}
