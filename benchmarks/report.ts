/**
 * From what was measured to what a program reads: medians with min and max, ratios taken round by round, goals beside them, the machine.
 */
import { readFileSync } from 'node:fs'
import { availableParallelism, cpus, loadavg, totalmem } from 'node:os'
import { join } from 'node:path'
import { PAYLOAD_BYTES } from './contender.js'
import { type Goal, goals } from './goals.js'
import { type Percentiles, type Plan, type Row, type Spread, spread } from './rounds.js'

export interface Report {
  /** Whether this ran as the compiled package does. A loader's rewriting of functions costs busbar much and the bound little. */
  readonly compiled: boolean
  readonly machine: Machine
  /** Of servers and packages that took part. */
  readonly versions: Readonly<Record<string, string>>
  readonly plan: Plan
  readonly rows: readonly MeasuredRow[]
  readonly ratios: readonly Ratio[]
  readonly skipped: readonly Skipped[]
  /** Resident memory of a process that has loaded every contender and runs none; only where memory was measured. */
  readonly idleMb?: number
}

export interface Machine {
  readonly cores: number
  readonly model: string
  readonly memoryGb: number
  readonly node: string
  readonly platform: string
  /** Processes that wanted to run in the last minute, benchmark included. */
  readonly load: number
}

export type MeasuredRow = Row & Spread

export interface Skipped {
  readonly contender: string
  readonly reason: string
}

/** Of rates, of the 95th percentiles of latencies, or of memory. */
export type Ratio = Goal & Spread & { readonly payloadBytes: number; readonly reached?: boolean }

export interface Circumstances {
  readonly versions?: Readonly<Record<string, string>>
  readonly skipped?: readonly Skipped[]
  readonly idleMb?: number
}

export function report(rows: readonly Row[], plan: Plan, circumstances: Circumstances = {}): Report {
  const { versions = {}, skipped = [], idleMb } = circumstances
  const payloads = [...new Set(rows.map(({ payloadBytes }) => payloadBytes))]
  return {
    compiled: import.meta.url.endsWith('.js'),
    machine: {
      cores: availableParallelism(),
      model: cpus()[0]?.model.trim() ?? 'unknown',
      memoryGb: Math.round(totalmem() / 2 ** 30),
      node: process.version,
      platform: `${process.platform} ${process.arch}`,
      load: loadavg()[0] ?? 0,
    },
    versions,
    plan,
    rows: rows.map((row) => ({ ...row, ...spread(row.rates) })),
    ratios: payloads.flatMap((bytes) => goals.flatMap((goal) => ratio(goal, bytes, rows) ?? [])),
    skipped,
    ...(idleMb === undefined ? {} : { idleMb }),
  }
}

/** Undefined when a contender of the goal did not run. Goals are for payloads of 256 bytes; with others, only the ratio is told. */
function ratio(goal: Goal, payloadBytes: number, rows: readonly Row[]): Ratio | undefined {
  const mine = figures(goal, goal.contender, payloadBytes, rows)
  const theirs = goal.to === undefined ? mine?.map(() => 1) : figures(goal, goal.to, payloadBytes, rows)
  if (mine === undefined || theirs === undefined) return undefined
  // By round, because the two of one round ran next to each other.
  const ratios = spread(mine.map((figure, round) => figure / (theirs[round] ?? Number.NaN)))
  if (payloadBytes !== PAYLOAD_BYTES) return { ...goal, ...ratios, payloadBytes }
  return { ...goal, ...ratios, payloadBytes, reached: isReached(goal, ratios.median) }
}

function isReached(goal: Goal, median: number): boolean {
  if ('atLeast' in goal) return median >= goal.atLeast
  return median <= ('p95AtMost' in goal ? goal.p95AtMost : goal.residentAtMost)
}

/** What a goal compares, by round; undefined when it was not measured. */
function figures(goal: Goal, name: string, payloadBytes: number, rows: readonly Row[]): readonly number[] | undefined {
  const label = payloadBytes === PAYLOAD_BYTES ? name : `${name}@${payloadBytes}`
  const row = rows.find(({ contender }) => contender === label)
  if ('atLeast' in goal) return row?.rates
  if ('p95AtMost' in goal) return row?.latencies.map(({ p95 }) => p95)
  return row?.residentMb === undefined ? undefined : [row.residentMb]
}

/** Percentiles over the rounds. */
export function latencyOf(latencies: readonly Percentiles[], percentile: keyof Percentiles): Spread {
  return spread(latencies.map((each) => each[percentile]))
}

const PACKAGES = [
  '@nats-io/jetstream',
  'bullmq',
  'emittery',
  'eventemitter3',
  'fastq',
  'graphile-worker',
  'pg',
  'pg-boss',
  'rxjs',
]

/** Of the packages of this checkout that are measured. */
export function packageVersions(): Record<string, string> {
  return Object.fromEntries(
    PACKAGES.map((name) => {
      const { version } = JSON.parse(readFileSync(join('node_modules', name, 'package.json'), 'utf8'))
      return [name, String(version)]
    }),
  )
}
