/**
 * The figures of the demo, measured and true ones alike, and their comparison. Knows no bus.
 */

export interface ConsumerFigures {
  readonly handled: number
  readonly retried: number
  readonly dead: number
}

/** What is known of one airport after some of its departures. */
export interface AirportFigures {
  readonly flights: number
  /** Minutes late in all; early flights count negative. */
  readonly delay: number
  readonly worst: number
  readonly miles: number
  /** Most late flights in a row: right only when every departure was seen in its place. */
  readonly lateInARow: number
  /** Late flights in a row up to now. */
  readonly lateNow: number
  readonly lastDeparture: string
  /** Line of the file of each departure, in the order seen. */
  readonly lines: readonly number[]
}

/** What is there in the end, however often messages had to be delivered for it. */
export interface Outcome {
  readonly published: number
  /** Pages sent. */
  readonly pages: number
  /** Flights in the dead letters, by line of the file, as JSON. */
  readonly deadLetters: ReadonlyMap<number, string>
  readonly airports: ReadonlyMap<string, AirportFigures>
}

export interface Figures extends Outcome {
  readonly consumers: Readonly<Record<'delays' | 'alerts' | 'auditor', ConsumerFigures>>
}

export interface Difference {
  readonly figure: string
  readonly measured: string
  readonly expected: string
}

/** Every figure under its own name, such as `DFW worst`. */
export function list(figures: Outcome & Partial<Figures>): ReadonlyMap<string, string> {
  const all = new Map<string, string>()
  all.set('published', String(figures.published))
  all.set('pages', String(figures.pages))
  for (const [consumer, counts] of Object.entries(figures.consumers ?? {})) addFields(all, consumer, counts)
  for (const [line, flight] of figures.deadLetters) all.set(`dead letter of line ${line}`, flight)
  for (const [airport, row] of figures.airports) addFields(all, airport, row)
  return all
}

function addFields(all: Map<string, string>, name: string, fields: object): void {
  for (const [field, value] of Object.entries(fields)) all.set(`${name} ${field}`, String(value))
}

/** Names every figure that differs, or that only one side has. */
export function compare<Kind extends Outcome>(measured: Kind, expected: Kind): Difference[] {
  const [mine, theirs] = [list(measured), list(expected)]
  const names = new Set([...theirs.keys(), ...mine.keys()])
  return [...names]
    .map((figure) => ({ figure, measured: mine.get(figure) ?? 'none', expected: theirs.get(figure) ?? 'none' }))
    .filter((row) => row.measured !== row.expected)
}
