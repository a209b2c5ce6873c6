/** The inner backend's side of a comparison: which positions it has copies of, and what it has that is none. Reads a stream once. */
import { createHash } from 'node:crypto'
import type { Adapter } from '../../../src/adapter.js'
import { BusError, isBusError } from '../../../src/errors.js'
import type { StoredMessage } from '../../../src/message.js'
import type { ResolvedStream } from '../../../src/topology.js'
import type { SkippedRange } from '../sql/skipped-ranges.js'
import { stampOf } from '../stamp.js'
import { isWithin } from './ahead.js'
import { PositionSet } from './position-set.js'

/** What is compared of a copy. */
export interface Copy {
  /** In the inner backend. */
  readonly sequence: number
  readonly id: string
  readonly subject: string
  readonly key: string | undefined
  /** SHA-256 of the payload, hexadecimal. */
  readonly digest: string
}

export interface Claim {
  readonly position: number
  readonly sequence: number
}

export class InnerCopies {
  /** False when the inner backend has no such stream. */
  isThere = true
  readonly positions = new PositionSet()
  /** Copies of positions that have one already. */
  repeated = 0
  /** Copies to be compared with their rows, by position. */
  readonly sample = new Map<number, Copy[]>()
  /** Inner sequences of messages that do not come from the ledger. */
  readonly strangers: number[] = []
  /** Copies of positions that the ledger had not given when the reading began, or passed over. */
  readonly beyond: Claim[] = []
  /** The smallest position that has a copy. */
  oldest = Number.POSITIVE_INFINITY
}

export interface Expected {
  /** The last position that the ledger has given. */
  readonly last: number
  /** Positions that it passed over. */
  readonly skipped: readonly SkippedRange[]
  /** Whether the content of a copy is to be compared. */
  readonly isSampled: () => boolean
}

export interface ReadParts {
  readonly inner: Adapter
  readonly closing: AbortSignal
}

export async function readCopies(
  { inner, closing }: ReadParts,
  { name, subjects }: ResolvedStream,
  expected: Expected,
): Promise<InnerCopies> {
  const copies = new InnerCopies()
  try {
    for await (const message of inner.read({ stream: name, filters: subjects, from: 'all', signal: closing }))
      note(copies, message, expected)
  } catch (thrown) {
    if (!isBusError(thrown, 'BUS_NOT_FOUND')) throw thrown
    return Object.assign(new InnerCopies(), { isThere: false })
  }
  assertOpen(closing)
  return copies
}

/** A reading that was stopped looks like one that has ended. */
export function assertOpen(closing: AbortSignal): void {
  if (closing.aborted) throw new BusError('BUS_CLOSED', '[dual] the adapter was closed meanwhile')
}

function note(copies: InnerCopies, message: StoredMessage, { last, skipped, isSampled }: Expected): void {
  const { sequence } = message
  const { position } = stampOf(message.headers) ?? { position: 0 }
  if (position === 0) return void copies.strangers.push(sequence)
  if (position > last || isWithin(skipped, position)) return void copies.beyond.push({ position, sequence })
  copies.oldest = Math.min(copies.oldest, position)
  const isNew = copies.positions.add(position)
  if (!isNew) copies.repeated++
  const sampled = copies.sample.get(position)
  if (sampled !== undefined) sampled.push(toCopy(message))
  else if (isNew && isSampled()) copies.sample.set(position, [toCopy(message)])
}

function toCopy({ sequence, id, subject, key, payload }: StoredMessage): Copy {
  return { sequence, id, subject, key, digest: createHash('sha256').update(payload).digest('hex') }
}
