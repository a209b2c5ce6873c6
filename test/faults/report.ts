/** What a person reads at the end of `npm run faults`, and what machines read in `faults-report.json`. */
import { type RuleReport, reportText } from '../../testing/history/index.js'
import type { RunResult } from './run.js'

/** The whole report of each run that did not pass, then a line for each run. */
export function reportsText(results: readonly RunResult[]): string {
  const bad = results.filter(({ report }) => report.verdict !== 'pass').map(({ report }) => reportText(report))
  return [...bad, ...table(results)].join('\n')
}

export function summaryOf(results: readonly RunResult[]): unknown {
  return results.map(({ plan, report, cycles, seconds }) => {
    const { name, seed, nodes = 1, syncInterval = 'default', perSecond } = plan
    return { name, seed, nodes, syncInterval, perSecond, seconds, cycles, ...report }
  })
}

/** What is exempted is told all the same. */
function foundBy(rule: RuleReport | undefined): string {
  const sum = (findings: readonly { readonly count: number }[]): number =>
    findings.reduce((all, { count }) => all + count, 0)
  const exempted = sum(rule?.exempted ?? [])
  return `${sum(rule?.findings ?? [])}${exempted === 0 ? '' : ` (${exempted} exempt)`}`
}

const HEAD = [
  'run',
  'verdict',
  'accepted',
  'lost',
  'phantom',
  'doubled',
  'disorder',
  'unknown',
  'faults',
  'skipped',
  's',
]

function table(results: readonly RunResult[]): string[] {
  const rows = results.map(({ plan, report, cycles, seconds }) => {
    const found = (rule: string): string => foundBy(report.rules.find((each) => each.rule === rule))
    const skipped = cycles.filter((cycle) => cycle.skipped !== undefined).length
    const numbers = [
      report.figures.accepted,
      found('R1'),
      found('R2'),
      found('R3'),
      found('R5'),
      report.figures.unknown,
      cycles.length - skipped,
      skipped,
      Math.round(seconds),
    ]
    return [plan.name, report.verdict, ...numbers.map(String)]
  })
  const all = [HEAD, ...rows]
  const widths = HEAD.map((_, at) => Math.max(...all.map((row) => row[at]?.length ?? 0)))
  return all.map((row) =>
    row
      .map((cell, at) => cell.padEnd(widths[at] ?? 0))
      .join('  ')
      .trimEnd(),
  )
}
