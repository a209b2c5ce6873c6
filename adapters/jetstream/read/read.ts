/**
 * History as the port asks for it: where a reading begins and ends, and the short ways for a single message. Getting messages in order
 * and without a gap is `ordered-reader.ts`; streams that consumers empty are read by `walk.ts`.
 *
 * A stream that is deleted while it is read ends the reading with `BUS_NOT_FOUND`; one that follows waits until the stream is back, and
 * goes on at the beginning of the new one.
 */
import type { Reading, ReadQuery } from '../../../src/adapter.js'
import type { StoredMessage } from '../../../src/message.js'
import { match } from '../../../src/subject.js'
import type { ResolvedStart } from '../../../src/topology.js'
import type { Connection } from '../connect/connection.js'
import { patiently } from '../connect/patience.js'
import { getMessage } from './message-get.js'
import { OrderedReader } from './ordered-reader.js'
import { lookAt, type Source, type SourceDefinition, type StreamFacts } from './source.js'
import { Walk } from './walk.js'

/** A reading may wait that long for its beginning: for a link, for a leader. */
const OPEN_MS = 5000

/** Nothing is asked of the server before `open()` or the first `next()`. */
export function readStream(connection: Connection, query: ReadQuery): Reading {
  return new StreamReading(connection, query)
}

/** All messages between two positions, without their payloads unless consumers empty the stream. */
export async function scan(connection: Connection, range: ScanRange): Promise<StoredMessage[]> {
  const { stream, filters, fromSequence, toSequence } = range
  if (toSequence < fromSequence) return []
  const query: ReadQuery = { stream, filters, from: { sequence: fromSequence }, toSequence }
  const found: StoredMessage[] = []
  for await (const message of readAll(connection, query, await begin(connection, query, true))) found.push(message)
  return found
}

export interface ScanRange {
  readonly stream: string
  readonly filters: readonly string[]
  readonly fromSequence: number
  /** Inclusive. */
  readonly toSequence: number
}

class StreamReading implements Reading {
  readonly #connection: Connection
  readonly #query: ReadQuery
  #beginning: Promise<Beginning> | undefined

  constructor(connection: Connection, query: ReadQuery) {
    this.#connection = connection
    this.#query = query
  }

  async open(): Promise<void> {
    this.#beginning ??= begin(this.#connection, this.#query)
    await this.#beginning
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<StoredMessage, void, undefined> {
    const beginning = this.#beginning
    this.#beginning = undefined
    yield* (await this.#single()) ?? readAll(this.#connection, this.#query, await (beginning ?? this.#begin()))
    // After a close, whatever was read may not be all that there was.
    void this.#connection.nats
  }

  #begin(): Promise<Beginning> {
    return begin(this.#connection, this.#query)
  }

  /** The answer to a question for one message; undefined when the query asks for more. */
  async #single(): Promise<readonly StoredMessage[] | undefined> {
    const { stream, follow, signal } = this.#query
    const ask = this.#shortcut()
    if (ask === undefined || follow === true) return undefined
    if (signal?.aborted === true) return []
    const patience = { withinMs: OPEN_MS, isOver: () => signal?.aborted === true }
    const message = await patiently(this.#connection, `read stream ${stream}`, ask, patience)
    return message !== undefined && this.#isWithin(message) ? [message] : []
  }

  #shortcut(): (() => Promise<StoredMessage | undefined>) | undefined {
    const { stream, filters, from, toSequence } = this.#query
    if (from === 'last') return () => findLast(this.#connection, stream, filters)
    if (typeof from !== 'object' || !('sequence' in from) || from.sequence !== toSequence) return undefined
    return () => getMessage(this.#connection.jsm, stream, { seq: toSequence })
  }

  #isWithin({ subject, sequence, time }: StoredMessage): boolean {
    const { filters, toSequence = Number.POSITIVE_INFINITY, toTimeMs = Number.POSITIVE_INFINITY } = this.#query
    return filters.some((filter) => match(filter, subject)) && sequence <= toSequence && time <= toTimeMs
  }
}

/** Where a reading begins and where it ends at the latest. */
interface Beginning {
  readonly source: Source
  /** `Infinity` when something else tells the end. */
  readonly lastSequence: number
}

async function begin(connection: Connection, query: ReadQuery, headersOnly = false): Promise<Beginning> {
  const { stream, filters, follow = false, toSequence = Number.POSITIVE_INFINITY } = query
  const definition: SourceDefinition = { stream, filters, follow, headersOnly }
  const task = async (): Promise<Beginning> => {
    const facts = await lookAt(connection, stream)
    const start = await startOf(connection, query, facts)
    const source = new (facts.isIndifferent ? OrderedReader : Walk)(connection, definition, start, facts)
    await source.open()
    // Newest messages are counted: one that was replaced after the look would otherwise be missed.
    const isCounted = follow || (start === 'last-per-subject' && facts.isIndifferent)
    return { source, lastSequence: Math.min(toSequence, isCounted ? Number.POSITIVE_INFINITY : facts.lastSequence) }
  }
  const patience = { withinMs: OPEN_MS, isOver: () => false }
  const beginning = await patiently(connection, `read stream ${stream}`, task, patience)
  if (beginning === undefined) throw new Error('nothing was begun')
  return beginning
}

/** Positions instead of what depends on the moment at which a consumer is made. */
async function startOf(connection: Connection, query: ReadQuery, facts: StreamFacts): Promise<ResolvedStart> {
  const { stream, filters, from } = query
  const next = { sequence: facts.lastSequence + 1 }
  if (from === 'new') return next
  if (from !== 'last') return from
  const last = await findLast(connection, stream, filters)
  return last === undefined ? next : { sequence: last.sequence }
}

async function findLast(
  { jsm }: Connection,
  stream: string,
  filters: readonly string[],
): Promise<StoredMessage | undefined> {
  const all = await Promise.all(filters.map((filter) => getMessage(jsm, stream, { last_by_subj: filter })))
  return all.reduce((last, each) => ((each?.sequence ?? 0) > (last?.sequence ?? 0) ? each : last), undefined)
}

async function* readAll(
  { closing }: Connection,
  { signal, toTimeMs = Number.POSITIVE_INFINITY }: ReadQuery,
  { source, lastSequence }: Beginning,
): AsyncGenerator<StoredMessage, void, undefined> {
  const end = (): void => void source.close()
  const isStopped = (): boolean => closing.aborted || signal?.aborted === true
  closing.addEventListener('abort', end)
  signal?.addEventListener('abort', end)
  try {
    if (isStopped()) return
    for (let message = await source.next(); message !== undefined; message = await source.next()) {
      if (message.sequence > lastSequence || message.time > toTimeMs) return
      yield message
      if (message.sequence === lastSequence || isStopped()) return
    }
  } finally {
    closing.removeEventListener('abort', end)
    signal?.removeEventListener('abort', end)
    await source.close()
  }
}
