/**
 * From rates to what a person or a program reads: medians with min and max, ratios taken round by round, goals beside them.
 */
import { availableParallelism, cpus, totalmem } from 'node:os'
import { type Goal, goals } from './goals.js'
import { type Plan, type Row, type Spread, spread } from './rounds.js'

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

interface Ratio extends Spread, Goal {
  readonly reached: boolean
}

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

/** Undefined when one of the two did not run. */
function ratio(goal: Goal, rows: readonly Row[]): Ratio | undefined {
  const mine = rows.find((row) => row.contender === goal.contender)
  const theirs = rows.find((row) => row.contender === goal.to)
  if (mine === undefined || theirs === undefined) return undefined
  // By round, because the two of one round ran next to each other.
  const ratios = spread(mine.rates.map((rate, round) => rate / (theirs.rates[round] ?? Number.NaN)))
  return { ...goal, ...ratios, reached: ratios.median >= goal.atLeast }
}

/** Lines for a person. */
export function describe({ compiled, machine, plan, rows, ratios }: Report): string[] {
  return [
    ...(compiled
      ? []
      : ['Run from TypeScript through a loader, which slows busbar down: compile first, as `npm run bench` does']),
    `${machine.cores} cores (${machine.model}), ${machine.memoryGb} GB, node ${machine.node}, ${machine.platform}`,
    `${plan.rounds} interleaved rounds of at least ${plan.seconds} s, ${thousands(plan.messages)} messages a run, 256 bytes of JSON each`,
    '',
    ...columns([
      ['contender', 'per second', 'min', 'max', 'what'],
      ...rows.map((row) => [row.contender, thousands(row.median), thousands(row.min), thousands(row.max), row.what]),
    ]),
    '',
    ...columns([
      ['ratio', 'median', 'min', 'max', 'goal', '', 'why'],
      ...ratios.map((each) => [
        `${each.contender} / ${each.to}`,
        each.median.toFixed(2),
        each.min.toFixed(2),
        each.max.toFixed(2),
        `>= ${each.atLeast.toFixed(2)}`,
        each.reached ? 'reached' : 'not reached',
        each.why,
      ]),
    ]),
  ]
}

function thousands(value: number): string {
  return Math.round(value).toLocaleString('en-US')
}

/** Aligns numbers to the right; the first and the last column, which are words, to the left. */
function columns(rows: readonly (readonly string[])[]): string[] {
  const widths = (rows[0] ?? []).map((_, at) => Math.max(...rows.map((row) => row[at]?.length ?? 0)))
  return rows.map((row) =>
    row
      .map((cell, at) =>
        at === 0 || at === row.length - 1 ? cell.padEnd(widths[at] ?? 0) : cell.padStart(widths[at] ?? 0),
      )
      .join('  ')
      .trimEnd(),
  )
}
