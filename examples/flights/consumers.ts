/**
 * The topic of the flights and its three consumers. This is what an application on busbar looks like; the rest of the folder feeds
 * it and checks it.
 */
import { type MessageBus, type Pool, type PoolOptions, Reject, type StreamDefinition, topic } from '../../src/index.js' // busbar
import { type Flight, flightSchema, isImpossible, isLate } from './data.js'
import { AirportStore, Pager } from './downstream.js'
import type { AirportFigures } from './figures.js'

export const FlightLanded = topic('flights.{origin}.{destination}', { schema: flightSchema })

export const streams: readonly StreamDefinition[] = [{ name: 'flights', subjects: ['flights.>'], maxAge: '1h' }]

// Waits are short because the demo is: a real pager deserves seconds.
const options: PoolOptions = { concurrency: 64, retry: { attempts: 4, backoff: ['2ms', '5ms', '10ms'] } }

export interface Consumers {
  readonly pools: Readonly<Record<'delays' | 'alerts' | 'auditor', Pool>>
  readonly store: AirportStore
  readonly pager: Pager
}

/** @param run a word of its own for each run, so that a run on a server meets nothing of earlier ones */
export async function startConsumers(bus: MessageBus, run: string, order: 'key' | 'none' = 'key'): Promise<Consumers> {
  const store = new AirportStore()
  const pager = new Pager()
  const consumer = { stream: 'flights', filter: FlightLanded, from: 'new' } as const

  const delays = await bus.consume(
    { ...consumer, name: `delays-${run}`, order },
    async ({ data: flight, id }) => {
      const line = lineOf(id)
      const before = await store.load(flight.origin)
      await store.save(flight.origin, afterDeparture(before, flight, line), flight, line)
    },
    options,
  )

  const alerts = await bus.consume(
    { ...consumer, name: `alerts-${run}` },
    async ({ data: flight, id }) => {
      if (isLate(flight)) await pager.page(flight, lineOf(id))
    },
    options,
  )

  const auditor = await bus.consume(
    { ...consumer, name: `auditor-${run}` },
    ({ data: flight }) => {
      if (isImpossible(flight)) throw new Reject(`${-flight.delay} minutes early after ${flight.distance} miles`)
    },
    options,
  )

  return { pools: { delays, alerts, auditor }, store, pager }
}

/** The id of a flight: it is the same however often the flight is published, and ends with its line in the file. */
export function idOf(run: string, line: number): string {
  return `${run}-${line}`
}

export function lineOf(id: string): number {
  return Number(id.slice(id.lastIndexOf('-') + 1))
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
