/**
 * What the demo says: progress, the tables at the end, every figure that differs. Counts nothing itself.
 */
import type { ConsumerFigures, Difference, Figures } from './figures.js'

export interface Output {
  line(text: string): void
  /** Progress: replaces the last one on a terminal; elsewhere only the first of each second is kept. */
  status(text: string): void
}

export interface Interrupted {
  readonly published: number
  readonly rows: readonly InterruptedRow[]
}

interface InterruptedRow {
  readonly consumer: string
  readonly handled: number
  readonly dead: number
  /** Handler calls that ran when the stop began, and ended. */
  readonly finished: number
  readonly released: number
  readonly aborted: number
  /** What the bus still keeps for the consumer. */
  readonly left: number
}

const AIRPORTS_SHOWN = 10
const DIFFERENCES_SHOWN = 20
const SHOWN_LENGTH = 60

export function terminalOutput(stream: NodeJS.WriteStream): Output {
  const clear = stream.isTTY ? '\r\x1b[K' : ''
  let lastAt = Number.NEGATIVE_INFINITY
  return {
    line: (text) => void stream.write(`${clear}${text}\n`),
    status(text) {
      if (stream.isTTY) {
        stream.write(`${clear}${text}`)
      } else if (performance.now() - lastAt >= 1000) {
        lastAt = performance.now()
        stream.write(`${text}\n`)
      }
    },
  }
}

/** @returns the exit code */
export function reportFinished(
  output: Output,
  figures: Figures,
  differences: readonly Difference[],
  tookMs: number,
): 0 | 1 {
  output.line(`${figures.published} flights published and settled by 3 consumers in ${(tookMs / 1000).toFixed(1)} s`)
  table(output, ['consumer', 'handled', 'retried', 'dead'], consumerRows(figures.consumers))
  table(
    output,
    ['airport', 'flights', 'average delay', 'worst', 'late in a row', 'last departure'],
    airportRows(figures),
  )
  output.line('')
  if (reportDifferences(output, differences)) return 1
  output.line(
    `Every figure equals the one computed straight from the file: published, ${figures.pages} pages, handled, retried and`,
  )
  output.line(
    `dead of each consumer, ${figures.deadLetters.size} dead letters, sums and order of ${figures.airports.size} airports.`,
  )
  return 0
}

/** @returns whether there are any */
export function reportDifferences(output: Output, differences: readonly Difference[]): boolean {
  for (const { figure, measured, expected } of differences.slice(0, DIFFERENCES_SHOWN)) {
    output.line(`DIFFERENT  ${figure}: ${shorten(measured)}, and the file says ${shorten(expected)}`)
  }
  if (differences.length === 0) return false
  output.line(`${differences.length} figures differ from those computed straight from the file`)
  return true
}

function consumerRows(consumers: Readonly<Record<string, ConsumerFigures>>): string[][] {
  return Object.entries(consumers).map(([name, row]) => [name, ...[row.handled, row.retried, row.dead].map(String)])
}

function airportRows({ airports }: Figures): string[][] {
  const busiest = [...airports].sort(([, a], [, b]) => b.flights - a.flights).slice(0, AIRPORTS_SHOWN)
  return busiest.map(([name, row]) => {
    const average = `${(row.delay / row.flights).toFixed(1)} min`
    return [name, String(row.flights), average, `${row.worst} min`, String(row.lateInARow), row.lastDeparture]
  })
}

/** @returns the exit code: 130 as shells expect after Ctrl-C, 1 when a message is not accounted for */
export function reportInterrupted(output: Output, { published, rows }: Interrupted): 1 | 130 {
  output.line(`Interrupted. ${published} flights were accepted before the stop.`)
  const header = ['consumer', 'handled', 'dead', 'left', 'finished in the stop', 'handed back', 'aborted']
  const cells = rows.map((row) => {
    const numbers = [row.handled, row.dead, row.left, row.finished, row.released, row.aborted]
    return [row.consumer, ...numbers.map(String)]
  })
  table(output, header, cells)
  output.line('')
  const lost = rows.filter((row) => row.handled + row.dead + row.left !== published)
  for (const row of lost) output.line(`DIFFERENT  ${row.consumer}: handled + dead + left is not ${published}`)
  if (lost.length > 0) return 1
  output.line(
    'handled + dead + left = accepted, for every consumer: nothing was lost, and what is left waits in the stream.',
  )
  return 130
}

/** The first column to the left, numbers and the rest to the right. */
export function table(output: Output, header: readonly string[], rows: readonly (readonly string[])[]): void {
  const widths = header.map((title, at) => Math.max(title.length, ...rows.map((row) => row[at]?.length ?? 0)))
  const pad = (cell: string, at: number) => (at === 0 ? cell.padEnd(widths[at] ?? 0) : cell.padStart(widths[at] ?? 0))
  output.line('')
  for (const row of [header, ...rows]) output.line(`  ${row.map(pad).join('  ')}`)
}

function shorten(text: string): string {
  return text.length <= SHOWN_LENGTH ? text : `${text.slice(0, SHOWN_LENGTH)}… (${text.length} characters)`
}
