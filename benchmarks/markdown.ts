/**
 * Writes the tables of a report into a Markdown file, one part for each group and backend, each between two markers: what a run did not
 * measure stays as it is. A part without markers is added at the end.
 */
import { type Beside, type Group, groups, PAYLOAD_BYTES } from './contender.js'
import type { MeasuredRow, Report } from './report.js'
import { circumstances, latencyTable, rateTable, ratioTable, type Table } from './tables.js'

const BACKENDS: readonly Beside[] = ['memory', 'nats', 'dual']
/** Outside the markers, so that a person may write another. */
const TITLES: Readonly<Record<Beside, string>> = { memory: 'memory', nats: 'NATS JetStream', dual: 'the ledger' }

export interface Part {
  readonly group: Group
  readonly backend: Beside
  readonly rows: readonly MeasuredRow[]
}

/** What the report has rows of, in the order of groups and backends. */
export function partsOf({ rows }: Report): Part[] {
  const all = (Object.keys(groups) as Group[]).flatMap((group) =>
    BACKENDS.map((backend) => ({ group, backend, rows: rows.filter((row) => isPartOf(row, group, backend)) })),
  )
  return all.filter((part) => part.rows.length > 0)
}

/** With another payload, a row belongs to the sizes alone; the sizes have the rows of 256 bytes as well. */
function isPartOf({ groups: mine, beside, payloadBytes }: MeasuredRow, group: Group, backend: Beside): boolean {
  return beside === backend && mine.includes(group) && (group === 'sizes' || payloadBytes === PAYLOAD_BYTES)
}

/** @param text of the file, and what it is after the run */
export function withTables(text: string, report: Report): string {
  return partsOf(report).reduce((whole, part) => withPart(whole, part, report), text)
}

/** The goals, all of one run. */
export function withGoals(text: string, report: Report): string {
  const { head, lines, words } = ratioTable(report.ratios)
  const table = [`${circumstances(report).join('. ')}.`, '', ...rendered({ head, lines, words })]
  return between(text, { name: 'goals', title: 'Goals' }, table)
}

function withPart(text: string, part: Part, report: Report): string {
  const place = { name: `${part.group} ${part.backend}`, title: `${TITLES[part.backend]}: ${groups[part.group]}` }
  return between(text, place, tablesOf(part, report))
}

interface Place {
  /** In the markers. */
  readonly name: string
  /** Of a part that has none yet. */
  readonly title: string
}

function between(text: string, { name, title }: Place, lines: readonly string[]): string {
  const [begin, end] = [`<!-- bench ${name} -->`, `<!-- end of bench ${name} -->`]
  const body = `${begin}\n\n${lines.join('\n')}\n\n${end}`
  const [from, to] = [text.indexOf(begin), text.indexOf(end)]
  if (from >= 0 && to > from) return text.slice(0, from) + body + text.slice(to + end.length)
  return `${text.trimEnd()}\n\n## ${title}\n\n${body}\n`
}

function tablesOf({ rows }: Part, report: Report): string[] {
  const names = new Set(rows.map(({ contender }) => contender.split('@')[0]))
  const payloads = new Set(rows.map(({ payloadBytes }) => payloadBytes))
  const ratios = report.ratios.filter(
    ({ contender, to, payloadBytes }) =>
      names.has(contender) && (to === undefined || names.has(to)) && payloads.has(payloadBytes),
  )
  const tables = [rateTable(rows), latencyTable(rows), ratioTable(ratios)].filter(({ lines }) => lines.length > 0)
  return [`${circumstances(report).join('. ')}.`, ...tables.flatMap((table) => ['', ...rendered(table)])]
}

function rendered({ head, lines, words }: Table): string[] {
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`
  return [line(head), `|${head.map((_, at) => (words.has(at) ? '---' : '--:')).join('|')}|`, ...lines.map(line)]
}
