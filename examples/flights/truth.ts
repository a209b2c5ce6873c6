/**
 * The true figures, computed straight from the file in plain loops: no bus, and no code shared with the consumers that are checked.
 */
import { type Flight, isImpossible, isLate, pagerRefusals, storeRefusals } from './data.js'
import type { AirportFigures, Figures } from './figures.js'

export function trueFigures(flights: readonly Flight[]): Figures {
  const late = flights.filter(isLate)
  const impossible = flights.filter(isImpossible)
  return {
    published: flights.length,
    pages: late.length,
    consumers: {
      delays: { handled: flights.length, retried: total(flights, storeRefusals), dead: 0 },
      alerts: { handled: flights.length, retried: total(late, pagerRefusals), dead: 0 },
      auditor: { handled: flights.length - impossible.length, retried: 0, dead: impossible.length },
    },
    deadLetters: new Map(impossible.map((flight) => [flights.indexOf(flight), JSON.stringify(flight)])),
    airports: new Map([...byOrigin(flights)].map(([origin, lines]) => [origin, airport(flights, lines)])),
  }
}

function total(flights: readonly Flight[], figure: (flight: Flight) => number): number {
  return flights.reduce((sum, flight) => sum + figure(flight), 0)
}

/** The lines of the file of each airport's departures, in the order of the file. */
function byOrigin(flights: readonly Flight[]): ReadonlyMap<string, number[]> {
  const lines = new Map<string, number[]>()
  for (const [line, { origin }] of flights.entries()) {
    const mine = lines.get(origin)
    if (mine === undefined) lines.set(origin, [line])
    else mine.push(line)
  }
  return lines
}

function airport(flights: readonly Flight[], lines: readonly number[]): AirportFigures {
  const departures = lines.flatMap((line) => flights[line] ?? [])
  // A word of L and - for each departure turns rows of late flights into substrings.
  const lateness = departures.map((flight) => (isLate(flight) ? 'L' : '-')).join('')
  const rows = lateness.split('-').map((row) => row.length)
  return {
    flights: departures.length,
    delay: total(departures, (flight) => flight.delay),
    worst: Math.max(...departures.map((flight) => flight.delay)),
    miles: total(departures, (flight) => flight.distance),
    lateInARow: Math.max(...rows),
    lateNow: rows.at(-1) ?? 0,
    lastDeparture: departures.at(-1)?.date ?? '',
    lines,
  }
}
