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
import { CONTENT_HEADER, type Headers, type Outgoing, type StoredMessage, withHeaders } from '../../../src/message.js'
import { checkSubject } from '../../../src/subject.js'
import { delayedSubject, STATE_STREAM } from '../names.js'
import { type HeaderBlock, headerBlock } from '../wire.js'

const SUBJECT = 'Busbar-Subject'
const DUE = 'Busbar-Due'
const DEDUP_ID = 'Busbar-Dedup-Id'
/** To the server: the subject must be empty. It is stored like any other header. */
const EMPTY = 'Nats-Expected-Last-Subject-Sequence'
const OWN: ReadonlySet<string> = new Set([SUBJECT, DUE, DEDUP_ID, EMPTY])

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

/** The message as it was published. Undefined for what is no parked message: anybody can have written it, for any subject (SUB-3). */
export function toOutgoing(parked: StoredMessage): Outgoing | undefined {
  const { id, key, headers, payload } = parked
  const subject = subjectOf(headers)
  if (subject === undefined) return undefined
  const dedupId = headers[DEDUP_ID] ?? id
  return { id, dedupId, isFresh: false, subject, key, headers: withoutOwn(headers), payload, delayMs: 0 }
}

function subjectOf(headers: Headers): string | undefined {
  try {
    return checkSubject(headers[SUBJECT])
  } catch {
    return undefined
  }
}

/** The rule of ids: one id, one subject and payload. */
export function isSameContent(message: Outgoing, parked: StoredMessage): boolean {
  return (
    parked.headers[SUBJECT] === message.subject &&
    parked.headers[CONTENT_HEADER] === message.headers[CONTENT_HEADER] &&
    Buffer.compare(parked.payload, message.payload) === 0
  )
}

function withoutOwn(headers: Headers): Headers {
  const others: Record<string, string> = Object.create(null)
  for (const name in headers) if (!OWN.has(name)) others[name] = headers[name] ?? ''
  return others
}
