/**
 * `npm run faults`: runs of the fault suite, and what the checker says of each. Histories of runs that did not pass are kept.
 *
 *   --quick                          every adapter with its common faults; about three minutes
 *   --minutes 30 --seed 7            phase after phase for about that long; the same seed chooses the same faults, not the same moments
 *   --random --minutes 10 --seed 7   one to three faults at a time, as the number draws them, for --adapter nats or dual
 *   --regressions                    the numbers that have failed before
 *   --adapter dual --only F1,F5      just these, once each; --rate 300 messages a second, --sync always, --nodes 3
 *   --controls --chart               the positive controls as well; draws docs/loss.svg of both
 */
import { mkdir, writeFile } from 'node:fs/promises'
import { parseArgs } from 'node:util'
import { writeChart } from './chart.js'
import { regressions } from './compose.js'
import { controlsText, runControls, troubleOf } from './controls/index.js'
import { useMemory } from './memory-disk.js'
import { chosenPlan, faultsOf, longPlan, quickPlans, randomPlan } from './plans.js'
import { reportsText, summaryOf } from './report.js'
import { type RunPlan, type RunResult, runPlan } from './run.js'

const REPORT = 'faults-report.json'

const { values } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    minutes: { type: 'string' },
    random: { type: 'boolean', default: false },
    regressions: { type: 'boolean', default: false },
    seed: { type: 'string', default: '1' },
    adapter: { type: 'string', default: 'dual' },
    only: { type: 'string' },
    controls: { type: 'boolean', default: false },
    chart: { type: 'boolean', default: false },
    sync: { type: 'string' },
    nodes: { type: 'string' },
    rate: { type: 'string', default: '300' },
    folder: { type: 'string', default: '.cache/faults' },
  },
})

function say(text: string): void {
  process.stdout.write(`${text}\n`)
}

const rate = Number(values.rate)
const folder = `${values.folder}/${Date.now().toString(36)}`

const results: RunResult[] = []
let broken = 0

/** What is known so far is kept, whatever happens to the runs that follow. */
async function run(plan: RunPlan): Promise<void> {
  try {
    const result = await runPlan(plan, folder, say)
    results.push(result)
    const { verdict, figures } = result.report
    say(`${plan.name}: ${verdict}, ${figures.accepted} accepted, after ${Math.round(result.seconds)} s`)
    await writeFile(REPORT, JSON.stringify(summaryOf(results), null, 2))
  } catch (thrown) {
    broken++
    say(`${plan.name}: broke off. ${thrown instanceof Error ? thrown.stack : thrown}`)
  }
}

async function runQuick(seed: number): Promise<void> {
  for (const plan of quickPlans(seed)) await run(plan)
}

async function runLong(seed: number, minutes: number): Promise<void> {
  const end = performance.now() + minutes * 60_000
  for (let phase = 0; phase === 0 || performance.now() < end; phase++) await run(longPlan(seed, phase, rate))
}

async function runRandom(seed: number, minutes: number): Promise<void> {
  const adapter = adapterOf(values.adapter)
  if (adapter === 'memory') throw new Error('--random is for --adapter nats or dual')
  say(`run number ${seed}`)
  await run(randomPlan(adapter, seed, rate, minutes))
}

async function runRegressions(): Promise<void> {
  for (const { adapter, seed, minutes, found } of regressions()) {
    say(`run number ${seed} on ${adapter}: ${found}`)
    await run(randomPlan(adapter, seed, rate, minutes))
  }
}

async function runChosen(seed: number): Promise<void> {
  const adapter = adapterOf(values.adapter)
  const codes = values.only?.split(',') ?? faultsOf(adapter).map(({ code }) => code)
  const world = {
    ...(values.sync && { syncInterval: values.sync }),
    ...(values.nodes === '3' && { nodes: 3 as const }),
  }
  await run(chosenPlan(adapter, codes, seed, rate, world))
}

function adapterOf(name: string): RunPlan['adapter'] {
  if (name === 'memory' || name === 'nats' || name === 'dual') return name
  throw new Error(`--adapter ${name}: it is memory, nats or dual`)
}

async function chosenRuns(): Promise<void> {
  if (values.quick) return await runQuick(seed)
  if (values.regressions) return await runRegressions()
  if (values.random) return await runRandom(seed, Number(values.minutes ?? 1))
  if (values.minutes) return await runLong(seed, Number(values.minutes))
  return await runChosen(seed)
}

useMemory()
await mkdir(folder, { recursive: true })
const seed = Number(values.seed)
await chosenRuns()
say(reportsText(results))
const outcomes = values.controls ? await runControls(folder) : []
if (values.controls) say(controlsText(outcomes))
if (values.chart) await writeChart(outcomes.flatMap(({ result }) => result ?? []))
const isProven = outcomes.every((outcome) => troubleOf(outcome) === undefined)
process.exitCode = isProven && broken === 0 && results.every(({ report }) => report.verdict === 'pass') ? 0 : 1
