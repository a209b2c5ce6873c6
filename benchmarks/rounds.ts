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
  /** Messages of one run. */
  readonly messages: number
  /** Messages per second, by round. */
  readonly rates: readonly number[]
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
  const rates = new Map<Contender, number[]>(contenders.map((contender) => [contender, []]))
  let done = 0
  for (let round = 0; round < plan.rounds; round++) {
    for (const [contender, mine] of rates) {
      mine.push(await takeTurn(contender, plan))
      onTurn(++done, plan.rounds * contenders.length)
    }
  }
  return [...rates].map(([contender, mine]) => {
    return { contender: contender.name, what: contender.what, messages: contender.messages(plan), rates: mine }
  })
}

/** @returns messages per second */
async function takeTurn(contender: Contender, plan: Plan): Promise<number> {
  const messages = contender.messages(plan)
  let runs = 0
  let timedMs = 0
  do {
    timedMs += await timeRun(contender, messages)
    runs++
  } while (timedMs < plan.seconds * 1000)
  return (runs * messages) / (timedMs / 1000)
}

/** @returns ms, without preparing and closing */
async function timeRun(contender: Contender, messages: number): Promise<number> {
  const prepared = await contender.prepare(messages)
  const startedAt = performance.now()
  await prepared.run()
  const tookMs = performance.now() - startedAt
  await prepared.close()
  return tookMs
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
