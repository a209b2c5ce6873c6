/**
 * The flights: 20,000 real ones of 2001 from the `vega-datasets` package, and what this application calls late and impossible.
 * Knows no bus, so that `truth.ts` can rest on it.
 */
import { readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { pathToFileURL } from 'node:url'
import { z } from 'zod'

export const flightSchema = z.object({
  /** Local time of departure, `2001/01/31 23:05`. */
  date: z.string().regex(/^\d{4}\/\d\d\/\d\d \d\d:\d\d$/),
  /** Minutes late at the destination; negative when early. */
  delay: z.number().int(),
  /** Miles. */
  distance: z.number().positive(),
  origin: z.string().length(3),
  destination: z.string().length(3),
})

export type Flight = z.infer<typeof flightSchema>

/** All flights, in the order of the file, which is that of their departures. */
export async function loadFlights(): Promise<readonly Flight[]> {
  // The package exports its entry point only, so the data file is found relative to it.
  const entry = createRequire(import.meta.url).resolve('vega-datasets')
  const file = new URL('../data/flights-20k.json', pathToFileURL(entry))
  return z.array(flightSchema).parse(JSON.parse(await readFile(file, 'utf8')))
}

const LATE_MINUTES = 60
const MILES_PER_MINUTE = 5

export function isLate(flight: Flight): boolean {
  return flight.delay >= LATE_MINUTES
}

/** Early by more minutes than the whole flight takes at 300 mph: it would have landed before it was due to leave. */
export function isImpossible(flight: Flight): boolean {
  return -flight.delay > flight.distance / MILES_PER_MINUTE
}

/** How often the store of airport statistics turns a flight away before it takes it. */
export function storeRefusals(flight: Flight): number {
  return flight.distance % 40 === 0 ? 1 : 0
}

/** How often the pager fails to page somebody about a late flight before it works. */
export function pagerRefusals(flight: Flight): number {
  if (flight.delay % 7 === 0) return 2
  return flight.delay % 5 === 0 ? 1 : 0
}
