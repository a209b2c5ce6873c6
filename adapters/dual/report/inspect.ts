/** What the ledger holds for declared streams, and what consumers have not settled. What is in flight only the inner backend knows. */
import type { StreamReport } from '../../../src/adapter.js'
import type { Database } from '../database/database.js'
import { type ConsumerFigures, consumerFigures } from '../sql/consumer-figures.js'
import { type StreamFigures, streamFigures } from '../sql/stream-figures.js'
import type { LedgerStream, Streams } from '../streams.js'

export interface LedgerConsumer {
  readonly name: string
  readonly stream: string
  /** Matching messages that it has not settled, those in flight included. */
  readonly unsettled: number
}

export interface LedgerFigures {
  /** One for each declared stream, in the order of declaration. */
  readonly streams: readonly StreamReport[]
  /** Every consumer of a declared stream, by name. */
  readonly consumers: readonly LedgerConsumer[]
}

/** Two round trips, side by side. Rejects with `QueryFailure`. */
export async function inspectLedger(database: Database, streams: Streams): Promise<LedgerFigures> {
  const [held, lags] = await Promise.all([
    database.query<StreamFigures>('work', streamFigures(database.schema)),
    database.query<ConsumerFigures>('work', consumerFigures(database.schema)),
  ])
  const byName = new Map(held.map((figures) => [figures.name, figures]))
  const declared = new Set(streams.all.map(({ definition }) => definition.name))
  return {
    streams: streams.all.map((stream) => toReport(stream, byName.get(stream.definition.name))),
    consumers: lags
      .filter(({ stream }) => declared.has(stream))
      .map(({ name, stream, unsettled }) => ({ name, stream, unsettled: Number(unsettled) })),
  }
}

/** An empty stream begins behind its last message, as on every backend. */
function toReport({ definition }: LedgerStream, figures: StreamFigures | undefined): StreamReport {
  const { name, subjects } = definition
  const lastSequence = Number(figures?.last ?? 0)
  return {
    name,
    subjects,
    messages: Number(figures?.messages ?? 0),
    bytes: Number(figures?.bytes ?? 0),
    firstSequence: lastSequence === 0 ? 0 : Number(figures?.first ?? lastSequence + 1),
    lastSequence,
    delayed: Number(figures?.delayed ?? 0),
  }
}
