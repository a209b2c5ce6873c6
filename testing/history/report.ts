/** A report as text for a terminal. As JSON it is what it is. */
import type { Report, RuleReport } from './check.js'
import type { Figures } from './figures.js'
import type { Recovery, Spread } from './recovery.js'
import type { Finding } from './rule.js'

/** Ids of one witness that are shown. */
const MAX_IDS = 3
const MAX_LINES = 6

export function reportText(report: Report): string {
  const { run, adapter, verdict, versions, voidBecause, rules, exemptions, figures } = report
  const version = Object.entries(versions).map(([name, each]) => `${name} ${each}`)
  return [
    `run ${run}   ${adapter}   ${verdict}`,
    `  ${[...version, `${count(figures.files)} files`, `${count(figures.lines)} lines`].join(', ')}`,
    ...voidBecause.map((reason) => `  proves nothing: ${reason}`),
    '',
    ...table([['rule', '', 'verdict', 'checked', 'found', '95 % bound'], ...rules.map(rowOf)]),
    ...rules.flatMap((rule) => detailsOf(rule, voidBecause)),
    ...section(
      'exemptions',
      exemptions.map(({ rule, finding, reason }) => `${rule} ${finding ?? 'all'}: ${reason}`),
    ),
    ...section('figures', figureLines(figures)),
    ...section('recovery, ms (p50 / p95 / max)', recoveryLines(figures.recovery)),
    '',
  ].join('\n')
}

function rowOf({ rule, name, verdict, checked, findings, bound }: RuleReport): string[] {
  const found = findings.reduce((sum, finding) => sum + finding.count, 0)
  return [rule, name, verdict, count(checked), count(found), bound === undefined ? '' : bound.toExponential(1)]
}

/** @param told reasons that stand above the table already */
function detailsOf({ rule, reason, findings, exempted, notes }: RuleReport, told: readonly string[]): string[] {
  const lines = [
    ...(reason === undefined || told.includes(reason) ? [] : [reason]),
    ...notes,
    ...findings.flatMap((finding) => findingLines(finding)),
    ...exempted.flatMap((finding) => findingLines(finding, ` (exempt: ${finding.reason})`)),
  ]
  return section(rule, lines)
}

function findingLines({ kind, count: times, witness }: Finding, remark = ''): string[] {
  const { ids, lines, text } = witness
  return [
    `${kind}: ${count(times)}${remark}`,
    `  ${[...few(ids, MAX_IDS), text].join('  ')}`,
    `  ${few(lines, MAX_LINES).join('  ')}`,
  ]
}

function few(texts: readonly string[], most: number): string[] {
  return texts.length <= most ? [...texts] : [...texts.slice(0, most), `and ${texts.length - most} more`]
}

function figureLines(figures: Figures): string[] {
  const { publishes, accepted, rejected, unknown, unknownPublishes, unknownStored, killed } = figures
  const share =
    unknownPublishes === 0 ? '' : `, ${((100 * unknownStored) / unknownPublishes).toFixed(1)} % of them stored`
  return [
    `publishes ${count(publishes)}: ids accepted ${count(accepted)}, rejected ${count(rejected)}, unknown ${count(unknown)}`,
    `publishes of unknown outcome ${count(unknownPublishes)}${share}`,
    `handler starts ${count(figures.starts)}, duplicates ${count(figures.duplicates)}, per million ${figures.duplicatesPerMillion.toFixed(1)}`,
    `processes that ended without a word ${count(killed)}`,
  ]
}

function recoveryLines(recovery: readonly Recovery[]): string[] {
  if (recovery.length === 0) return []
  const head = ['fault', 'times', 'to first start', 'to clear', 'takeover', 'heal to rest', 'nothing accepted for']
  const rows = recovery.map(({ kind, faults, toFirstStart, toClear, takeover, toQuiesce, withoutAcceptance }) => [
    kind,
    count(faults),
    ...[toFirstStart, toClear, takeover, toQuiesce, withoutAcceptance].map(spread),
  ])
  return table([head, ...rows])
}

function spread(of: Spread | undefined): string {
  return of === undefined ? '-' : [of.p50, of.p95, of.max].map((ms) => ms.toFixed(0)).join(' / ')
}

function count(number: number): string {
  return number.toLocaleString('en-US')
}

/** Nothing when there are no lines. */
function section(title: string, lines: readonly string[]): string[] {
  return lines.length === 0 ? [] : ['', title, ...lines.map((line) => `  ${line}`)]
}

/** Columns as wide as their widest cell. */
function table(rows: readonly (readonly string[])[]): string[] {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)))
  return rows.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd(),
  )
}
