/** What messages are made of, and their hashes, computed here and never by the bus. */
import { createHash } from 'node:crypto'
import type { Content } from '../../../testing/history/event.js'
import { POISONED, type Poison } from './setting.js'

/** The id as a header of the application's own: whoever reads a server knows the message without knowing how busbar writes it. */
export const ID_HEADER = 'X-Id'

const KEYS = 60
/** The first key gets about a fifth of all. */
const SKEW = 1.1
const REGIONS = ['eu', 'us', 'asia']
const MAX_PAD = 600

export interface Draft {
  readonly id: string
  readonly topic: string
  readonly key?: string
  readonly data: unknown
  readonly headers: Readonly<Record<string, string>>
  readonly bytes: number
  readonly content: Content
}

/** @param random uniform in [0, 1), of a run number */
export function draftOf(id: string, random: () => number): Draft {
  const key = random() < 0.15 ? undefined : `k${zipf(random())}`
  const region = REGIONS[Math.floor(random() * REGIONS.length)] ?? 'eu'
  const topic = `orders.${region}.${key ?? 'none'}`
  const data = { id, pad: 'x'.repeat(Math.floor(random() * MAX_PAD)), note: random() < 0.1 ? 'grüße \u0001 "' : '' }
  const headers = { [ID_HEADER]: id, 'X-Region': region }
  const payload = Buffer.from(JSON.stringify(data))
  const content = { topic, ...(key !== undefined && { key }), hash: hashOf(payload), hdr_hash: headerHash(headers) }
  return { id, topic, data, headers, bytes: payload.length, content, ...(key !== undefined && { key }) }
}

export function hashOf(payload: Uint8Array): string {
  return createHash('sha256').update(payload).digest('hex').slice(0, 32)
}

/** Of the application's headers, which begin with `X-`. */
export function headerHash(headers: Readonly<Record<string, string>>): string {
  const own = Object.keys(headers).filter((name) => name.startsWith('X-'))
  return hashOf(
    Buffer.from(
      own
        .toSorted()
        .map((name) => `${name}: ${headers[name]}\n`)
        .join(''),
    ),
  )
}

/** Of a subject that only one group takes. Its id says what it does. */
export function poisonedDraft(id: string, key: string): Draft {
  const topic = `${POISONED}${key}`
  const data = { id }
  const headers = { [ID_HEADER]: id }
  const payload = Buffer.from(JSON.stringify(data))
  const content = { topic, key, hash: hashOf(payload), hdr_hash: headerHash(headers) }
  return { id, topic, key, data, headers, bytes: payload.length, content }
}

export function poisonOf(id: string): Poison | undefined {
  if (id.endsWith('-kills')) return 'kills'
  return id.endsWith('-hangs') ? 'hangs' : undefined
}

/** The same id with another payload: it must be refused. */
export function contradiction(draft: Draft): Draft {
  const data = { id: draft.id, contradicts: true }
  const payload = Buffer.from(JSON.stringify(data))
  return { ...draft, data, bytes: payload.length, content: { ...draft.content, hash: hashOf(payload) } }
}

/** What a handler does with a message, the same in every process. */
export type Fate = 'done' | 'fails once' | 'fails twice' | 'fails always' | 'final'

export function fateOf(group: string, id: string): Fate {
  const drawn = Number.parseInt(hashOf(Buffer.from(`${group} ${id}`)).slice(0, 6), 16) % 1000
  if (drawn < 15) return 'fails once'
  if (drawn < 20) return 'fails twice'
  if (drawn === 20) return 'fails always'
  return drawn === 21 ? 'final' : 'done'
}

/** By the inverse of the distribution's sum: rank 0 is the most frequent. */
function zipf(uniform: number): number {
  const at = WEIGHTS.findIndex((sum) => uniform * (WEIGHTS.at(-1) ?? 1) < sum)
  return at < 0 ? 0 : at
}

const WEIGHTS = Array.from({ length: KEYS }, (_, rank) => 1 / (rank + 1) ** SKEW).map((_, at, all) =>
  all.slice(0, at + 1).reduce((sum, weight) => sum + weight, 0),
)
