/** What the port's `inspect()` says: figures of the ledger, what only the inner backend knows, and what a person should look at. */
import type { Adapter, AdapterReport, ConsumerReport } from '../../../src/adapter.js'
import { describeThrown } from '../../../src/errors.js'
import type { Database } from '../database/database.js'
import type { ResolvedDual } from '../options.js'
import type { Streams } from '../streams.js'
import { type LedgerFacts, notesOn, observeFacts } from './facts.js'
import { guaranteesOf } from './guarantees.js'
import { findHindrances, findParked } from './hindrances.js'
import { inspectLedger, type LedgerConsumer, type LedgerFigures } from './inspect.js'

export interface ReportParts {
  readonly database: Database
  readonly streams: Streams
  readonly options: ResolvedDual
  /** What the parts at work have to say. */
  readonly notes: () => readonly string[]
}

/** Resolves whatever is down, and says so. Connected means: the ledger accepts. */
export async function inspectDual({ database, streams, options, notes }: ReportParts): Promise<AdapterReport> {
  const inner = await inspectInner(options.inner)
  const ledger = await askLedger(database, streams)
  const guarantees = guaranteesOf(ledger?.facts, {
    keepIdsMs: options.keepIdsMs,
    inner: options.inner.name,
    streams: streams.all.map(({ definition }) => definition),
  })
  if (ledger === undefined) {
    const trouble = `PostgreSQL is out of reach: nothing is accepted (${database.trouble})`
    return { connected: false, notes: [trouble, ...inner.notes], streams: [], consumers: [], guarantees }
  }
  return {
    connected: true,
    notes: [...ledger.notes, ...inner.notes, ...notes()],
    streams: ledger.figures.streams,
    consumers: ledger.figures.consumers.map((consumer) => toReport(consumer, inner.consumers)),
    guarantees,
  }
}

interface LedgerState {
  readonly figures: LedgerFigures
  readonly facts: LedgerFacts
  readonly notes: readonly string[]
}

async function askLedger(database: Database, streams: Streams): Promise<LedgerState | undefined> {
  const [figures, facts, hindrances, parked] = await Promise.allSettled([
    inspectLedger(database, streams),
    observeFacts(database),
    findHindrances(database),
    findParked(database),
  ])
  if (facts.status === 'rejected') return undefined
  const notes = [
    ...notesOn(facts.value),
    ...[hindrances, parked].flatMap((found) => (found.status === 'fulfilled' ? found.value : [])),
  ]
  if (figures.status === 'fulfilled') return { figures: figures.value, facts: facts.value, notes }
  // Counting a very large stream can take longer than a statement may; that is no outage.
  const uncounted = `messages could not be counted in time (${describeThrown(figures.reason)})`
  return { figures: { streams: [], consumers: [] }, facts: facts.value, notes: [...notes, uncounted] }
}

async function inspectInner(inner: Adapter): Promise<Pick<AdapterReport, 'notes' | 'consumers'>> {
  const { connected, notes, consumers } = await inner.inspect()
  if (connected) return { notes, consumers }
  return { notes: [`the ${inner.name} backend is not connected: messages are accepted, and wait`, ...notes], consumers }
}

/** What was handed out and not settled is in flight; the rest of what is not settled is pending. */
function toReport({ name, stream, unsettled }: LedgerConsumer, inner: readonly ConsumerReport[]): ConsumerReport {
  const seen = inner.find((consumer) => consumer.name === name)
  const { inFlight = 0, waiting = 0, feeds = 0 } = seen ?? {}
  return { name, stream, pending: Math.max(0, unsettled - inFlight), inFlight, waiting, feeds }
}
