/**
 * The full comparison of one stream: every row of the ledger with the copies in the inner backend, both read once, neither held. What comes
 * and goes meanwhile is no finding:
 *
 *   1. last position, outbox      what is published later is not looked at; what is on its way may not be there yet
 *   2. copies in the inner stream
 *   3. last position once more    a copy of a higher one, or of one that was skipped, has no row in the ledger (PG-D4)
 *   4. rows of the ledger         without a copy and not on their way: candidates
 *   5. candidates once more       still there, and still not on their way: missing
 *
 * It changes nothing.
 */
import type { Adapter } from '../../../src/adapter.js'
import type { VerifyReport } from '../../../src/ledger.js'
import type { Database } from '../database/database.js'
import { innerDefinition } from '../inner-definition.js'
import { type Contents, contentsOf } from '../sql/contents-of.js'
import type { LedgerStream } from '../streams.js'
import { isWithin, skippedOf } from './ahead.js'
import { type Copy, type InnerCopies, readCopies } from './inner-copies.js'
import { endOf, ledgerRows, onTheirWay } from './ledger-walk.js'
import { PositionSet } from './position-set.js'

/** Contents compared: all of a stream up to that many messages, else so many at random. */
const SAMPLE = 10_000
const SAMPLE_PAGE = 1000
const SHOWN = 20
/** A stream that drops the oldest is full in the eyes of a backend that counts its own records, too. */
const FULL = 0.75

export interface SweepParts {
  readonly database: Database
  readonly inner: Adapter
  /** Uniform in [0, 1). */
  readonly random: () => number
  /** Ends what is under way with `BUS_CLOSED`. */
  readonly closing: AbortSignal
}

export interface Sweep {
  readonly report: VerifyReport
  readonly missing: PositionSet
  /** Inner sequences. */
  readonly foreign: readonly number[]
  /** False when the inner backend has no such stream. */
  readonly isThere: boolean
  /** The highest position of which the inner backend has a copy, and the ledger has not given or has skipped it; 0 when there is none. */
  readonly beyond: number
}

export async function sweep(parts: SweepParts, stream: LedgerStream): Promise<Sweep> {
  const { database, random } = parts
  const { last, messages } = await endOf(database, stream)
  const waiting = await onTheirWay(database, stream)
  const rate = SAMPLE / Math.max(1, messages)
  const isSampled = (): boolean => rate >= 1 || random() < rate
  const skipped = await skippedOf(database, stream)
  const copies = await readCopies(parts, stream.definition, { last, skipped, isSampled })
  const { last: lastNow } = await endOf(database, stream)
  const skippedNow = await skippedOf(database, stream)
  const beyond = copies.beyond.filter(({ position }) => position > lastNow || isWithin(skippedNow, position))
  const foreign = [...copies.strangers, ...beyond.map(({ sequence }) => sequence)]
  foreign.push(...(await differing(database, stream, copies)))
  const found = await compare(parts, stream, { last, waiting, copies })
  const { missing, ...counts } = found
  return {
    report: {
      stream: stream.definition.name,
      ...counts,
      missing: missing.size,
      missingSample: firstOf(missing, SHOWN),
      repeated: copies.repeated,
      foreign: foreign.length,
      isSame: missing.size === 0 && foreign.length === 0,
    },
    missing,
    foreign: foreign.sort((a, b) => a - b),
    isThere: copies.isThere,
    beyond: beyond.reduce((highest, { position }) => Math.max(highest, position), 0),
  }
}

/** Inner sequences of copies that are not what their rows are. A position without any other copy has none then. */
async function differing(database: Database, stream: LedgerStream, copies: InnerCopies): Promise<number[]> {
  const positions = [...copies.sample.keys()]
  const wrong: number[] = []
  for (let at = 0; at < positions.length; at += SAMPLE_PAGE) {
    const page = contentsOf(database.schema, stream.id, positions.slice(at, at + SAMPLE_PAGE))
    for (const row of await database.query<Contents>('work', page)) {
      const sampled = copies.sample.get(row.position) ?? []
      const others = sampled.filter((copy) => !isCopyOf(copy, row))
      wrong.push(...others.map(({ sequence }) => sequence))
      if (others.length === sampled.length) copies.positions.delete(row.position)
    }
  }
  return wrong
}

function isCopyOf(copy: Copy, row: Contents): boolean {
  return (
    copy.digest === row.digest && copy.subject === row.subject && copy.id === row.id && (copy.key ?? null) === row.key
  )
}

interface Compared {
  readonly last: number
  readonly waiting: PositionSet
  readonly copies: InnerCopies
}

interface Counts {
  readonly ledger: number
  readonly inner: number
  readonly waiting: number
  readonly missing: PositionSet
}

async function compare(parts: SweepParts, stream: LedgerStream, { last, waiting, copies }: Compared): Promise<Counts> {
  const dropped = await droppedBefore(parts.inner, stream, copies)
  const candidates = new PositionSet()
  let [ledger, inner, underWay] = [0, 0, 0]
  for await (const { position } of ledgerRows(parts, stream, { after: 0, last })) {
    ledger++
    if (copies.positions.has(position)) inner++
    else if (waiting.has(position)) underWay++
    else if (position >= dropped) candidates.add(position)
  }
  const missing = new PositionSet()
  const first = candidates.first
  if (first === undefined) return { ledger, inner, waiting: underWay, missing }
  const waitingNow = await onTheirWay(parts.database, stream)
  let gone = candidates.size
  for await (const { position } of ledgerRows(parts, stream, { after: first - 1, last })) {
    if (!candidates.has(position)) continue
    gone--
    if (waitingNow.has(position)) underWay++
    else missing.add(position)
  }
  return { ledger: ledger - gone, inner, waiting: underWay, missing }
}

/** A full inner stream drops its oldest copies by its own measure. What is older than all of them is not missing for that reason. */
async function droppedBefore(inner: Adapter, { definition }: LedgerStream, { oldest }: InnerCopies): Promise<number> {
  const { name, discard, maxMessages, maxBytes } = innerDefinition(definition)
  if (discard === 'new' || (maxMessages === Number.POSITIVE_INFINITY && maxBytes === Number.POSITIVE_INFINITY)) return 0
  const report = (await inner.inspect()).streams.find((each) => each.name === name)
  const isFull = report !== undefined && (report.messages >= maxMessages || report.bytes >= FULL * maxBytes)
  return isFull ? oldest : 0
}

function firstOf(positions: PositionSet, count: number): number[] {
  const first: number[] = []
  for (const position of positions) {
    if (first.length === count) break
    first.push(position)
  }
  return first
}
