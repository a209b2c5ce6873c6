/**
 * Publishes the flights in the order of the file, in batches, until done or interrupted.
 */
import { setImmediate as nextTurn } from 'node:timers/promises'
import type { MessageBus } from '../../src/index.js' // busbar
import { FlightLanded, idOf } from './consumers.js'
import type { Flight } from './data.js'

const BATCH = 200

/** @param onAccepted hears how many more were stored */
export async function publishFlights(
  bus: MessageBus,
  flights: readonly Flight[],
  run: string,
  signal: AbortSignal,
  onAccepted: (count: number) => void,
): Promise<void> {
  for (let from = 0; from < flights.length && !signal.aborted; from += BATCH) {
    const entries = flights.slice(from, from + BATCH).map((flight, at) => ({
      to: FlightLanded.at(flight),
      data: flight,
      options: { id: idOf(run, from + at), key: flight.origin },
    }))
    const receipts = await bus.publishBatch(entries)
    onAccepted(receipts.filter((receipt) => !receipt.duplicate).length)
    // A backend in this process answers without I/O; without a pause no signal and no timer would be heard until the end.
    await nextTurn()
  }
}
