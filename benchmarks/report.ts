/**
 * From rates to what a person or a program reads: medians with min and max, ratios taken round by round, goals beside them.
 */
import { availableParallelism, cpus, totalmem } from 'node:os'
import { type Goal, goals } from './goals.js'
import { type Percentiles, type Plan, type Row, type Spread, spread } from './rounds.js'

export interface Report {
  /** Whether this ran as the compiled package does. A loader's rewriting of functions costs busbar much and the bound little. */
  readonly compiled: boolean
  readonly machine: {
    readonly cores: number
    readonly model: string
    readonly memoryGb: number
    readonly node: string
    readonly platform: string
  }
  readonly plan: Plan
  readonly rows: readonly (Row & Spread)[]
  readonly ratios: readonly Ratio[]
}

/** Of rates, or of the 95th percentiles of latencies. */
type Ratio = Goal & Spread & { readonly reached: boolean }

export function report(rows: readonly Row[], plan: Plan): Report {
  return {
    compiled: import.meta.url.endsWith('.js'),
    machine: {
      cores: availableParallelism(),
      model: cpus()[0]?.model.trim() ?? 'unknown',
      memoryGb: Math.round(totalmem() / 2 ** 30),
      node: process.version,
      platform: `${process.platform} ${process.arch}`,
    },
    plan,
    rows: rows.map((row) => ({ ...row, ...spread(row.rates) })),
    ratios: goals.flatMap((goal) => ratio(goal, rows) ?? []),
  }
}

/** Undefined when a contender of the goal did not run. */
function ratio(goal: Goal, rows: readonly Row[]): Ratio | undefined {
  const mine = figures(goal, goal.contender, rows)
  const theirs = goal.to === undefined ? mine?.map(() => 1) : figures(goal, goal.to, rows)
  if (mine === undefined || theirs === undefined) return undefined
  // By round, because the two of one round ran next to each other.
  const ratios = spread(mine.map((figure, round) => figure / (theirs[round] ?? Number.NaN)))
  const reached = 'atLeast' in goal ? ratios.median >= goal.atLeast : ratios.median <= goal.p95AtMost
  return { ...goal, ...ratios, reached }
}

/** What a goal compares, by round. */
function figures(goal: Goal, name: string, rows: readonly Row[]): readonly number[] | undefined {
  const row = rows.find(({ contender }) => contender === name)
  return 'atLeast' in goal ? row?.rates : row?.latencies.map(({ p95 }) => p95)
}

/** Lines for a person. */
export function describe({ compiled, machine, plan, rows, ratios }: Report): string[] {
  return [
    ...(compiled
      ? []
      : ['Run from TypeScript through a loader, which slows busbar down: compile first, as `npm run bench` does']),
    `${machine.cores} cores (${machine.model}), ${machine.memoryGb} GB, node ${machine.node}, ${machine.platform}`,
    `${plan.rounds} interleaved rounds of at least ${plan.seconds} s, ${thousands(plan.messages)} messages a run, 256 bytes of JSON each`,
    ...rateLines(rows.filter(({ latencies }) => latencies.length === 0)),
    ...latencyLines(rows.filter(({ latencies }) => latencies.length > 0)),
    ...ratioLines(ratios),
  ]
}

function rateLines(rows: Report['rows']): string[] {
  const head = ['contender', 'per second', 'min', 'max', 'cpu us', 'durability', 'what']
  const lines = rows.map(({ contender, median, min, max, cpuUs, durability, what }) => {
    const cpu = spread(cpuUs).median.toFixed(1)
    return [contender, thousands(median), thousands(min), thousands(max), cpu, durability, what]
  })
  return table(head, lines)
}

function latencyLines(rows: Report['rows']): string[] {
  const head = ['contender', 'p50 ms', 'p95 ms', 'min', 'max', 'p99 ms', 'durability', 'what']
  const lines = rows.map(({ contender, latencies, durability, what }) => {
    const of = (percentile: keyof Percentiles): Spread => spread(latencies.map((each) => each[percentile]))
    const { median, min, max } = of('p95')
    const figures = [of('p50').median, median, min, max, of('p99').median].map((ms) => ms.toFixed(2))
    return [contender, ...figures, durability, what]
  })
  return table(head, lines)
}

function ratioLines(ratios: Report['ratios']): string[] {
  const head = ['ratio', 'median', 'min', 'max', 'goal', '', 'why']
  const lines = ratios.map((each) => {
    const goal = 'atLeast' in each ? `>= ${each.atLeast.toFixed(2)}` : `<= ${each.p95AtMost.toFixed(2)}`
    const figures = [each.median, each.min, each.max].map((figure) => figure.toFixed(2))
    const name = each.to === undefined ? each.contender : `${each.contender} / ${each.to}`
    return [name, ...figures, goal, each.reached ? 'reached' : 'not reached', each.why]
  })
  return table(head, lines)
}

function thousands(value: number): string {
  return Math.round(value).toLocaleString('en-US')
}

/** An empty line, then aligned columns: numbers to the right; the first column and the last two, which are words, to the left. */
function table(head: readonly string[], lines: readonly (readonly string[])[]): string[] {
  if (lines.length === 0) return []
  const widths = head.map((title, at) => Math.max(title.length, ...lines.map((line) => line[at]?.length ?? 0)))
  const align = (cell: string, at: number): string => {
    const width = widths[at] ?? 0
    return at === 0 || at >= head.length - 2 ? cell.padEnd(width) : cell.padStart(width)
  }
  return ['', ...[head, ...lines].map((line) => line.map(align).join('  ').trimEnd())]
}
