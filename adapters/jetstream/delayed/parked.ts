/**
 * A delayed message as it lies in the parking stream: its own headers and payload under a subject of ours, and what it needs to become
 * itself again. Moving it is `mover.ts`.
 *
 *   Busbar-Subject    where it belongs
 *   Busbar-Due        when, in ms since the epoch, by the clock of whoever moves it
 *   Busbar-Dedup-Id   what the window of its stream compares, when that is not its id
 *
 * An id is parked once: the subject is made of it, and the server is told that it must be empty.
 */
import { createHash } from 'node:crypto'
import type { BusError } from '../../../src/errors.js'
import {
  CONTENT_HEADER,
  type Headers,
  messageBytes,
  type Outgoing,
  type StoredMessage,
  withHeaders,
} from '../../../src/message.js'
import { failure } from '../failure.js'
import { delayedSubject, STATE_STREAM } from '../names.js'
import type { Target } from '../publish/routes.js'
import { type HeaderBlock, headerBlock } from '../wire.js'

const SUBJECT = 'Busbar-Subject'
const DUE = 'Busbar-Due'
const DEDUP_ID = 'Busbar-Dedup-Id'
/** To the server: the subject must be empty. It is stored like any other header. */
const EMPTY = 'Nats-Expected-Last-Subject-Sequence'
const OWN: ReadonlySet<string> = new Set([SUBJECT, DUE, DEDUP_ID, EMPTY])
/** A server stores no larger header block. */
const MAX_BLOCK_BYTES = 65_535

/** Where a message is parked: the same for every message of its dedup id. */
export function parkingSubject(stream: string, { dedupId }: Outgoing): string {
  return delayedSubject(stream, createHash('sha256').update(dedupId).digest('base64url'))
}

/** @param dueAt ms since the epoch */
export function parkingHeaders(message: Outgoing, dueAt: number): HeaderBlock {
  const { id, key, subject, dedupId } = message
  const own = { [SUBJECT]: subject, [DUE]: String(dueAt), ...(dedupId === id ? {} : { [DEDUP_ID]: dedupId }) }
  const parked = { id, key, headers: withHeaders(message.headers, own) }
  return headerBlock(parked, { stream: STATE_STREAM, dedupId: undefined }, [`${EMPTY}:0`])
}

/** When it is due, in ms since the epoch; 0, which is at once, when nobody can tell. */
export function dueAtOf({ headers }: StoredMessage): number {
  return Number(headers[DUE]) || 0
}

/** The message as it was published. Undefined for what is no parked message. */
export function toOutgoing(parked: StoredMessage): Outgoing | undefined {
  const { id, key, headers, payload } = parked
  const subject = headers[SUBJECT]
  if (subject === undefined) return undefined
  const dedupId = headers[DEDUP_ID] ?? id
  return { id, dedupId, isFresh: false, subject, key, headers: withoutOwn(headers), payload, delayMs: 0 }
}

/** The rule of ids: one id, one subject and payload. */
export function isSameContent(message: Outgoing, parked: StoredMessage): boolean {
  return (
    parked.headers[SUBJECT] === message.subject &&
    parked.headers[CONTENT_HEADER] === message.headers[CONTENT_HEADER] &&
    Buffer.compare(parked.payload, message.payload) === 0
  )
}

/** What its stream would refuse when it is due is refused now (JS-P6). @param mostBytes what the server takes of one message */
export function tooLarge(
  message: Outgoing,
  headers: HeaderBlock,
  target: Target,
  mostBytes: number,
): BusError | undefined {
  const bytes = messageBytes(message)
  const whole = message.payload.byteLength + headers.byteLength
  const refused = (problem: string): BusError => failure(`publish to ${message.subject}`, 'BUS_TOO_LARGE', problem)
  if (bytes > target.maxMessageBytes)
    return refused(`${bytes} bytes are more than stream ${target.name} takes. Publish less, or raise maxMessageBytes`)
  if (headers.byteLength > MAX_BLOCK_BYTES)
    return refused(`its headers take more than the ${MAX_BLOCK_BYTES} bytes that a server stores. Send less in headers`)
  if (whole <= mostBytes) return undefined
  return refused(`${whole} bytes with headers are more than the server takes. Publish less, or raise its max_payload`)
}

function withoutOwn(headers: Headers): Headers {
  const others: Record<string, string> = Object.create(null)
  for (const name in headers) if (!OWN.has(name)) others[name] = headers[name] ?? ''
  return others
}
