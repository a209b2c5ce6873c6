/**
 * Publishes the flights in the order of the file, in batches, until done or interrupted.
 */
import { setImmediate as nextTurn, setTimeout as pause } from 'node:timers/promises'
import type { Duration, MessageBus, Receipt } from '../../src/index.js' // busbar
import { FlightLanded, idOf } from './consumers.js'
import type { Flight } from './data.js'

export const BATCH = 200

export interface PublishingOptions {
  readonly run: string
  readonly signal: AbortSignal
  /** Hears the line that begins the next batch, just before it is sent, and may delay it. */
  readonly onSending?: (line: number) => void | Promise<void>
  readonly onAccepted: (receipts: readonly Receipt[]) => void
  /** How long the bus may repeat a batch. Default '5s', as of the bus. */
  readonly timeout?: Duration
  /** Between batches. Default 0: a turn of the event loop, so that signals and timers are heard on a backend in this process too. */
  readonly pauseMs?: number
}

export async function publishFlights(
  bus: MessageBus,
  flights: readonly Flight[],
  { run, signal, onSending, onAccepted, timeout = '5s', pauseMs = 0 }: PublishingOptions,
): Promise<void> {
  for (let from = 0; from < flights.length && !signal.aborted; from += BATCH) {
    const entries = flights.slice(from, from + BATCH).map((flight, at) => ({
      to: FlightLanded.at(flight),
      data: flight,
      options: { id: idOf(run, from + at), key: flight.origin },
    }))
    await onSending?.(from)
    onAccepted(await bus.publishBatch(entries, { timeout }))
    if (pauseMs > 0) await pause(pauseMs)
    else await nextTurn()
  }
}
