/**
 * The topic of the flights and its three consumers. This is what an application on busbar looks like; the rest of the folder feeds
 * it and checks it.
 */
import {
  type Duration,
  type MessageBus,
  type Pool,
  type PoolOptions,
  Reject,
  type RetryOptions,
  type StreamDefinition,
  type Transaction,
  topic,
} from '../../src/index.js' // busbar
import { type Flight, flightSchema, isImpossible, isLate } from './data.js'
import type { Paging, Store } from './downstream.js'
import type { AirportFigures } from './figures.js'

export const FlightLanded = topic('flights.{origin}.{destination}', { schema: flightSchema })

export const streams: readonly StreamDefinition[] = [{ name: 'flights', subjects: ['flights.>'], maxAge: '1h' }]

export const CONSUMERS = ['delays', 'alerts', 'auditor'] as const

export type Consumers = Readonly<Record<(typeof CONSUMERS)[number], Pool>>

export interface ConsumersOptions {
  /** A word of its own for each run, so that a run on a server meets nothing of earlier ones. */
  readonly run: string
  /**
   * Of the statistics. One in the transaction of the attempt (`ctx.tx`, only on a ledger) counts every flight exactly once; with any other,
   * the handler has to recognise what it has counted before.
   */
  readonly store: Store | ((tx: Transaction) => Store)
  readonly pager: Paging
  /** Of the statistics. Default `'key'`. */
  readonly order?: 'key' | 'none'
  /** Default: 4 attempts, one more than the most stubborn flight needs. A process that is killed costs what it held one attempt each. */
  readonly retry?: RetryOptions
  /** Default: that of the bus. */
  readonly ackWait?: Duration
}

// Waits are short because the demo is: a real pager deserves seconds.
const RETRY: RetryOptions = { attempts: 4, backoff: ['2ms', '5ms', '10ms'] }

export async function startConsumers(bus: MessageBus, settings: ConsumersOptions): Promise<Consumers> {
  const { run, store, pager, order = 'key', retry = RETRY, ackWait } = settings
  const shared = { stream: 'flights', filter: FlightLanded, from: 'new' } as const
  const consumer = ackWait === undefined ? shared : { ...shared, ackWait }
  const options: PoolOptions = { concurrency: 64, retry }

  const delays = await bus.consume(
    { ...consumer, name: nameOf('delays', run), order },
    async ({ data: flight, id }, context) => {
      const line = lineOf(id)
      const isExact = typeof store === 'function'
      const airports = isExact ? store(context.tx) : store
      const before = await airports.load(flight.origin)
      if (!isExact && isCounted(before, line)) return
      await airports.save(flight.origin, afterDeparture(before, flight, line), flight, line)
    },
    options,
  )

  const alerts = await bus.consume(
    { ...consumer, name: nameOf('alerts', run) },
    async ({ data: flight, id }) => {
      if (isLate(flight)) await pager.page(flight, lineOf(id))
    },
    options,
  )

  const auditor = await bus.consume(
    { ...consumer, name: nameOf('auditor', run) },
    ({ data: flight }) => {
      if (isImpossible(flight)) throw new Reject(`${-flight.delay} minutes early after ${flight.distance} miles`)
    },
    options,
  )

  return { delays, alerts, auditor }
}

/** What the bus calls a consumer of this run. */
export function nameOf(consumer: (typeof CONSUMERS)[number], run: string): string {
  return `${consumer}-${run}`
}

/** The impossible flights that the auditor refused, as JSON, by line of the file. */
export async function listDeadLetters(bus: MessageBus, run: string): Promise<ReadonlyMap<number, string>> {
  const letters = new Map<number, string>()
  for await (const letter of bus.deadLetters(nameOf('auditor', run)).list()) {
    letters.set(lineOf(letter.id), JSON.stringify(letter.data))
  }
  return letters
}

/** The id of a flight: it is the same however often the flight is published, and ends with its line in the file. */
export function idOf(run: string, line: number): string {
  return `${run}-${line}`
}

export function lineOf(id: string): number {
  return Number(id.slice(id.lastIndexOf('-') + 1))
}

/**
 * A handler that was killed, or whose acknowledgement was lost, is run again with a flight that the store has counted already. Flights of
 * an airport come in the order of their lines, so the last line of the row tells: it and whatever precedes it has been counted. That is
 * one number to look at instead of all that was ever seen, and it is right only with `order: 'key'`.
 */
function isCounted(row: AirportFigures | undefined, line: number): boolean {
  const last = row?.lines.at(-1)
  return last !== undefined && line <= last
}

function afterDeparture(before: AirportFigures | undefined, flight: Flight, line: number): AirportFigures {
  const lateNow = isLate(flight) ? (before?.lateNow ?? 0) + 1 : 0
  return {
    flights: (before?.flights ?? 0) + 1,
    delay: (before?.delay ?? 0) + flight.delay,
    worst: Math.max(before?.worst ?? Number.NEGATIVE_INFINITY, flight.delay),
    miles: (before?.miles ?? 0) + flight.distance,
    lateInARow: Math.max(before?.lateInARow ?? 0, lateNow),
    lateNow,
    lastDeparture: flight.date,
    lines: [...(before?.lines ?? []), line],
  }
}
