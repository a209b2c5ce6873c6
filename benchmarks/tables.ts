/** The rows and ratios of a report as cells of text, for a terminal and for Markdown alike. */
import type { Goal } from './goals.js'
import { latencyOf, type MeasuredRow, type Ratio, type Report } from './report.js'
import { spread } from './rounds.js'

export interface Table {
  readonly head: readonly string[]
  readonly lines: readonly (readonly string[])[]
  /** Columns of words, which are aligned to the left. */
  readonly words: ReadonlySet<number>
}

export function rateTable(rows: readonly MeasuredRow[]): Table {
  return {
    head: ['contender', 'per second', 'min', 'max', 'p50 ms', 'p95 ms', 'p99 ms', 'CPU us', 'MB', 'durability', 'what'],
    lines: rows
      .filter(({ latencies }) => latencies.length === 0)
      .map((row) => [row.contender, ...[row.median, row.min, row.max].map(thousands), ...accepted(row), ...rest(row)]),
    words: new Set([0, 9, 10]),
  }
}

/** Of what measures how long something takes. */
export function latencyTable(rows: readonly MeasuredRow[]): Table {
  return {
    head: [
      'contender',
      'p50 ms',
      'p95 ms',
      'min',
      'max',
      'p99 ms',
      'accepted p95 ms',
      'per second',
      'CPU us',
      'MB',
      'durability',
      'what',
    ],
    lines: rows
      .filter(({ latencies }) => latencies.length > 0)
      .map((row) => {
        const { median, min, max } = latencyOf(row.latencies, 'p95')
        const [p50, p99] = [latencyOf(row.latencies, 'p50').median, latencyOf(row.latencies, 'p99').median]
        const taken = [p50, median, min, max, p99].map(milliseconds)
        const acceptedMs = row.accepted.length === 0 ? '' : milliseconds(latencyOf(row.accepted, 'p95').median)
        return [row.contender, ...taken, acceptedMs, thousands(row.median), ...rest(row)]
      }),
    words: new Set([0, 10, 11]),
  }
}

export function ratioTable(ratios: readonly Ratio[]): Table {
  return {
    head: ['ratio', 'median', 'min', 'max', 'goal', '', 'why'],
    lines: ratios.map((each) => {
      const figures = [each.median, each.min, each.max].map((figure) => figure.toFixed(2))
      const isReached = each.reached === undefined ? '' : each.reached ? 'reached' : 'not reached'
      return [nameOf(each), ...figures, each.reached === undefined ? '' : goalOf(each), isReached, each.why]
    }),
    words: new Set([0, 5, 6]),
  }
}

export function nameOf(ratio: Ratio): string {
  const at = ratio.payloadBytes === 256 ? '' : `@${ratio.payloadBytes}`
  const of = 'residentAtMost' in ratio ? ', MB' : ''
  return ratio.to === undefined ? `${ratio.contender}${at}${of}` : `${ratio.contender}${at} / ${ratio.to}${at}${of}`
}

/** The conditions of the run, a line each. */
export function circumstances({ compiled, machine, versions, plan, skipped, idleMb }: Report): string[] {
  const { cores, model, memoryGb, node, platform, load } = machine
  const taken = Object.entries(versions).map(([name, version]) => `${name} ${version}`)
  return [
    ...(compiled
      ? []
      : ['Run from TypeScript through a loader, which slows busbar down: compile first, as `npm run bench` does']),
    `${cores} cores (${model}), ${memoryGb} GB, node ${node}, ${platform}, load ${load.toFixed(1)} at the end`,
    ...(taken.length === 0 ? [] : [taken.join(', ')]),
    `${plan.rounds} interleaved rounds of at least ${plan.seconds} s, ${thousands(plan.messages)} messages an ordinary run, 256 bytes of JSON each where nothing else is said`,
    ...(idleMb === undefined
      ? []
      : [
          `MB: most resident memory of a process that does that work only; one that runs nothing has ${idleMb.toFixed(0)}`,
        ]),
    ...skipped.map(({ contender, reason }) => `skipped ${contender}: ${reason}`),
  ]
}

function accepted({ accepted: taken }: MeasuredRow): string[] {
  if (taken.length === 0) return ['', '', '']
  return (['p50', 'p95', 'p99'] as const).map((percentile) => milliseconds(latencyOf(taken, percentile).median))
}

function rest({ cpuUs, residentMb, durability, what }: MeasuredRow): string[] {
  return [spread(cpuUs).median.toFixed(1), residentMb?.toFixed(0) ?? '', durability, what]
}

function goalOf(goal: Goal): string {
  if ('atLeast' in goal) return `>= ${goal.atLeast.toFixed(2)}`
  return `<= ${('p95AtMost' in goal ? goal.p95AtMost : goal.residentAtMost).toFixed(2)}`
}

function milliseconds(ms: number): string {
  return ms.toFixed(2)
}

export function thousands(value: number): string {
  return Math.round(value).toLocaleString('en-US')
}
