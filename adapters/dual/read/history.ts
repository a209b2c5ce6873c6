/** Questions about the past of one stream or of all: by key, id, time and subject, either way. What is stored after a stream's turn came is not seen. */
import { BusError } from '../../../src/errors.js'
import type { LedgerQuery } from '../../../src/ledger.js'
import type { StoredMessage } from '../../../src/message.js'
import type { Database } from '../database/database.js'
import { ledgerError } from '../database/pg-failure.js'
import { type ListedStream, listStreams } from '../sql/list-streams.js'
import { type PlaceOfId, positionsOfId } from '../sql/positions-of-id.js'
import { type ReadingBounds, readingBounds } from '../sql/reading-bounds.js'
import { Scan } from './scan.js'

/** Throws `BUS_NOT_FOUND` when the query names a stream that is not there; otherwise as the server cannot be asked. */
export async function* history(database: Database, query: LedgerQuery): AsyncGenerator<StoredMessage, void, undefined> {
  let count = 0
  try {
    for await (const message of matching(database, query)) {
      yield message
      if (++count >= query.limit) return
    }
  } catch (thrown) {
    throw ledgerError(`history${query.stream === undefined ? '' : ` of stream ${query.stream}`}`, thrown)
  }
}

async function* matching(database: Database, query: LedgerQuery): AsyncGenerator<StoredMessage, void, undefined> {
  const streams = await database.query<ListedStream>('work', listStreams(database.schema, query.stream ?? null))
  if (query.stream !== undefined && streams.length === 0)
    throw new BusError('BUS_NOT_FOUND', `[dual] there is no stream ${query.stream}. Declare it in the bus's streams`)
  const found = query.id === undefined ? undefined : await placesOf(database, query.id, streams)
  for (const stream of query.order === 'oldest-first' ? streams : streams.toReversed()) {
    if (found === undefined) yield* ofStream(database, query, stream)
    else if (found.has(stream.id)) yield* ofStream(database, query, stream, found.get(stream.id))
  }
}

/** Few: an id is published once, and again when it is redriven. */
async function placesOf(
  database: Database,
  id: string,
  streams: readonly ListedStream[],
): Promise<ReadonlyMap<number, readonly number[]>> {
  const ids = streams.map((stream) => stream.id)
  const rows = await database.query<PlaceOfId>('work', positionsOfId(database.schema, id, ids))
  return new Map(rows.map(({ stream_id, positions }) => [stream_id, positions.map(Number)]))
}

async function* ofStream(
  database: Database,
  query: LedgerQuery,
  stream: ListedStream,
  positions?: readonly number[],
): AsyncGenerator<StoredMessage, void, undefined> {
  const { filters, key, fromMs = null, toMs, order, limit } = query
  const untilMs = toMs === undefined ? null : Math.floor(toMs) + 1
  const statement = readingBounds(database.schema, stream.id, [fromMs, untilMs])
  const [bounds] = await database.query<ReadingBounds>('work', statement)
  if (bounds === undefined) return
  const maxAgeMs = bounds.max_age_ms === null ? null : Number(bounds.max_age_ms)
  const first = Number(bounds.from ?? 1)
  const last = Math.min(Number(bounds.last), Number(bounds.until ?? Number.POSITIVE_INFINITY) - 1)
  const pages = { first, last, order, limit: Math.min(limit, 50) }
  yield* new Scan(database, stream, { filters, key, positions, maxAgeMs }, pages)
}
