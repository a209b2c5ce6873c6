/**
 * A consumer that the inner backend has lost, or has put in a wrong place, is handed nothing, and its place cannot be set from outside. What
 * it has not settled is sent once more instead: to it that is news, and whoever has settled it passes it over.
 */

import { type Unsettled, unsettled } from '../sql/unsettled.js'
import type { LedgerStream, Streams } from '../streams.js'
import { whileAlone } from './locks.js'
import { PositionSet } from './position-set.js'
import type { RepairParts } from './repair.js'
import { newRound, Resend } from './resend.js'

/** Rejects with `BUS_CONFLICT` when the stream is being repaired already. */
export async function wakeConsumer(parts: RepairParts, streams: Streams, consumer: string): Promise<void> {
  const { database, clock, relay } = parts
  const rows = await database.query<Unsettled>('work', unsettled(database.schema, consumer))
  const stream: LedgerStream | undefined = streams.byId(rows[0]?.stream_id ?? 0)
  if (stream === undefined) return
  const positions = new PositionSet()
  for (const { position } of rows) positions.add(Number(position))
  await whileAlone(database, stream, clock, () => new Resend(parts, stream, positions).send(newRound(parts)))
  relay.nudge(stream.id)
}
