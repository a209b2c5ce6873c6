/** A report as lines for a person, and how far a run is. */
import type { Report } from './report.js'
import type { OnTurn } from './rounds.js'
import { circumstances, latencyTable, rateTable, ratioTable, type Table } from './tables.js'

export function describe(report: Report): string[] {
  const { rows, ratios } = report
  const tables = [rateTable(rows), latencyTable(rows), ratioTable(ratios)]
  return [...circumstances(report), ...tables.flatMap(aligned)]
}

/** An empty line, then aligned columns. */
export function aligned({ head, lines, words }: Table): string[] {
  if (lines.length === 0) return []
  const widths = head.map((title, at) => Math.max(title.length, ...lines.map((line) => line[at]?.length ?? 0)))
  const align = (cell: string, at: number): string => {
    const width = widths[at] ?? 0
    return words.has(at) ? cell.padEnd(width) : cell.padStart(width)
  }
  return ['', ...[head, ...lines].map((line) => line.map(align).join('  ').trimEnd())]
}

/** One line on standard error that is written over and over; nothing where that is no terminal. */
export function progress(): OnTurn {
  if (!process.stderr.isTTY) return () => {}
  const startedAt = performance.now()
  return (done, of, what) => {
    const left = ((performance.now() - startedAt) / 1000) * (of / Math.max(done, 1) - 1)
    const rest =
      done === 0 ? '' : `, about ${left < 90 ? `${left.toFixed(0)} s` : `${(left / 60).toFixed(0)} min`} left`
    process.stderr.write(`\r\x1b[K${done === of ? '' : `turn ${done + 1} of ${of}: ${what}${rest}`}`)
  }
}
