/** Reads a stream's history, and goes on with what comes when asked to. */
import type { ReadQuery } from '../../src/adapter.js'
import { Bell } from '../../src/bell.js'
import type { Clock } from '../../src/clock.js'
import type { StoredMessage } from '../../src/message.js'
import type { ResolvedConsumer } from '../../src/topology.js'
import { Cursor } from './cursor.js'
import type { MemoryStream } from './stream.js'

export async function* readStream(
  stream: MemoryStream,
  query: ReadQuery,
  clock: Clock,
): AsyncGenerator<StoredMessage, void, undefined> {
  const bell = new Bell()
  const ring = (): void => bell.ring()
  const cursor = new Cursor(asConsumer(query), stream.log, clock, ring)
  const end = query.follow === true ? Number.POSITIVE_INFINITY : stream.log.last
  const lastSequence = Math.min(end, query.toSequence ?? end)
  const lastTimeMs = query.toTimeMs ?? Number.POSITIVE_INFINITY
  const untrack = stream.track(cursor, ring)
  query.signal?.addEventListener('abort', ring)
  try {
    while (query.signal?.aborted !== true) {
      const message = cursor.take()
      if (message !== undefined && (message.sequence > lastSequence || message.time > lastTimeMs)) return
      if (message !== undefined) yield message
      else if (query.follow === true && !stream.isClosed) await bell.heard()
      else return
    }
  } finally {
    query.signal?.removeEventListener('abort', ring)
    untrack()
  }
}

function asConsumer(query: ReadQuery): ResolvedConsumer {
  const { stream, filters, from } = query
  return {
    name: '',
    stream,
    filters,
    from,
    ackWaitMs: 0,
    maxInFlight: 0,
    replay: 'instant',
    order: 'none',
    partitions: 1,
  }
}
