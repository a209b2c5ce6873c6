/**
 * A run beside an earlier one: what is outside the min and max of the earlier run, widened by a margin, is marked. Nothing else means
 * anything on a machine that does other work as well.
 */
import type { Report } from './report.js'
import { latencyOf } from './report.js'
import { type Spread, spread } from './rounds.js'
import { nameOf, type Table } from './tables.js'

/** Of the earlier minimum and maximum. */
export const MARGIN = 0.1

interface Figure extends Spread {
  readonly name: string
  readonly figure: string
  readonly isBetter: 'higher' | 'lower'
}

export interface Difference {
  readonly name: string
  readonly figure: string
  readonly before: Spread
  readonly now: Spread
  readonly verdict: 'better' | 'worse' | 'within the noise'
}

/** Of every figure that both runs have. */
export function compare(before: Report, now: Report): Difference[] {
  const known = new Map(figuresOf(before).map((figure) => [`${figure.name} ${figure.figure}`, figure]))
  return figuresOf(now).flatMap((mine) => {
    const theirs = known.get(`${mine.name} ${mine.figure}`)
    if (theirs === undefined) return []
    return [{ name: mine.name, figure: mine.figure, before: theirs, now: mine, verdict: judge(theirs, mine) }]
  })
}

function judge(before: Figure, { median, isBetter }: Figure): Difference['verdict'] {
  const isHigher = median > before.max * (1 + MARGIN)
  const isLower = median < before.min * (1 - MARGIN)
  if (!isHigher && !isLower) return 'within the noise'
  return isHigher === (isBetter === 'higher') ? 'better' : 'worse'
}

function figuresOf({ rows, ratios }: Report): Figure[] {
  const ofRows = rows.flatMap((row): Figure[] => {
    const name = row.contender
    const isLatency = row.latencies.length > 0
    const speed: Figure = isLatency
      ? { name, figure: 'p95 ms', isBetter: 'lower', ...latencyOf(row.latencies, 'p95') }
      : { name, figure: 'per second', isBetter: 'higher', ...spread(row.rates) }
    return [speed, { name, figure: 'CPU us', isBetter: 'lower', ...spread(row.cpuUs) }]
  })
  const ofRatios = ratios.map((each): Figure => {
    const { median, min, max } = each
    return { name: nameOf(each), figure: 'ratio', isBetter: 'atLeast' in each ? 'higher' : 'lower', median, min, max }
  })
  return [...ofRows, ...ofRatios]
}

/** What is beyond the noise. */
export function differenceTable(differences: readonly Difference[]): Table {
  const marked = differences.filter(({ verdict }) => verdict !== 'within the noise')
  return {
    head: ['contender', 'figure', 'before', 'min', 'max', 'now', 'min', 'max', 'change', 'verdict'],
    lines: marked.map(({ name, figure, before, now, verdict }) => {
      const change = `${((now.median / before.median - 1) * 100).toFixed(0)} %`
      const figures = [before.median, before.min, before.max, now.median, now.min, now.max].map(short)
      return [name, figure, ...figures, change, verdict]
    }),
    words: new Set([0, 1, 9]),
  }
}

/** One line that says what was compared and how. */
export function verdictOf(differences: readonly Difference[]): string {
  const count = (verdict: Difference['verdict']): number =>
    differences.filter((each) => each.verdict === verdict).length
  return (
    `Compared with the earlier run: ${count('worse')} worse, ${count('better')} better, ${count('within the noise')} within the noise, ` +
    `which is the earlier min and max, widened by ${MARGIN * 100} %.`
  )
}

function short(value: number): string {
  return value >= 100 ? Math.round(value).toLocaleString('en-US') : value.toFixed(2)
}
