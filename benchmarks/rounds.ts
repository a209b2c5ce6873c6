/**
 * Runs contenders side by side: a warm-up each, then rounds in which every contender has its turn, so that whatever else the machine
 * does falls on all of them alike.
 */
import type { Contender, Sizes } from './contender.js'

export interface Plan extends Sizes {
  readonly rounds: number
  /** Each turn repeats its run until this many seconds were timed. */
  readonly seconds: number
}

export interface Row {
  readonly contender: string
  readonly what: string
  readonly durability: string
  /** Messages of one run. */
  readonly messages: number
  /** Messages per second, by round. */
  readonly rates: readonly number[]
  /** CPU time of this process for each message, in us, by round. Less shaken than rates by what else the machine does. */
  readonly cpuUs: readonly number[]
  /** By round; empty for what measures rates. */
  readonly latencies: readonly Percentiles[]
}

/** ms */
export interface Percentiles {
  readonly p50: number
  readonly p95: number
  readonly p99: number
}

export interface Spread {
  readonly median: number
  readonly min: number
  readonly max: number
}

const WARM_UP_MESSAGES = 20_000

/** @param onTurn hears of each finished turn */
export async function runRounds(
  contenders: readonly Contender[],
  plan: Plan,
  onTurn: (done: number, of: number) => void,
): Promise<Row[]> {
  for (const contender of contenders) {
    await timeRun(contender, Math.min(contender.messages(plan), WARM_UP_MESSAGES))
  }
  const turns = new Map<Contender, Turn[]>(contenders.map((contender) => [contender, []]))
  let done = 0
  for (let round = 0; round < plan.rounds; round++) {
    for (const [contender, mine] of turns) {
      mine.push(await takeTurn(contender, plan))
      onTurn(++done, plan.rounds * contenders.length)
    }
  }
  return [...turns].map(([contender, mine]) => toRow(contender, plan, mine))
}

interface Turn {
  /** Messages per second. */
  readonly rate: number
  readonly cpuUs: number
  readonly latency: Percentiles | undefined
}

function toRow(contender: Contender, plan: Plan, turns: readonly Turn[]): Row {
  const { name, what, durability } = contender
  const rates = turns.map(({ rate }) => rate)
  const cpuUs = turns.map((turn) => turn.cpuUs)
  const latencies = turns.flatMap(({ latency }) => latency ?? [])
  return { contender: name, what, durability, messages: contender.messages(plan), rates, cpuUs, latencies }
}

async function takeTurn(contender: Contender, plan: Plan): Promise<Turn> {
  const messages = contender.messages(plan)
  const latenciesMs: number[] = []
  let runs = 0
  let timedMs = 0
  let cpuUs = 0
  do {
    const run = await timeRun(contender, messages)
    timedMs += run.tookMs
    cpuUs += run.cpuUs
    for (const latencyMs of run.latenciesMs) latenciesMs.push(latencyMs)
    runs++
  } while (timedMs < plan.seconds * 1000)
  const handled = runs * messages
  return { rate: handled / (timedMs / 1000), cpuUs: cpuUs / handled, latency: percentiles(latenciesMs) }
}

/** Without preparing and closing. */
async function timeRun(contender: Contender, messages: number) {
  const prepared = await contender.prepare(messages)
  const cpuBefore = process.cpuUsage()
  const startedAt = performance.now()
  await prepared.run()
  const tookMs = performance.now() - startedAt
  const { user, system } = process.cpuUsage(cpuBefore)
  await prepared.close()
  return { tookMs, cpuUs: user + system, latenciesMs: prepared.latenciesMs ?? [] }
}

/** Undefined for none. */
export function percentiles(values: readonly number[]): Percentiles | undefined {
  if (values.length === 0) return undefined
  const sorted = [...values].sort((a, b) => a - b)
  const at = (share: number): number => sorted[Math.ceil(share * sorted.length) - 1] ?? Number.NaN
  return { p50: at(0.5), p95: at(0.95), p99: at(0.99) }
}

export function spread(values: readonly number[]): Spread {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.slice(Math.floor((sorted.length - 1) / 2), Math.floor(sorted.length / 2) + 1)
  return {
    median: middle.reduce((sum, value) => sum + value, 0) / middle.length,
    min: sorted[0] ?? Number.NaN,
    max: sorted.at(-1) ?? Number.NaN,
  }
}
