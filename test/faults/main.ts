/**
 * `npm run faults`: runs of the fault suite, and what the checker says of each. `--help` says which there are. Histories of runs that did not
 * pass are kept.
 */
import { mkdir, writeFile } from 'node:fs/promises'
import { writeChart } from './chart.js'
import { regressions } from './compose.js'
import { controlsText, runControls, troubleOf } from './controls/index.js'
import { useMemory } from './memory-disk.js'
import { HELP, type Options, readOptions, UsageError } from './options.js'
import { chosenPlan, longPlan, quickPlans, randomPlan } from './plans.js'
import { reportsText, summaryOf } from './report.js'
import { type RunPlan, type RunResult, runPlan } from './run.js'

const REPORT = 'faults-report.json'
const EXIT_USAGE = 2

function say(text: string): void {
  process.stdout.write(`${text}\n`)
}

const results: RunResult[] = []
let broken = 0

/** What is known so far is kept, whatever happens to the runs that follow. */
async function run(plan: RunPlan, { folder }: Options): Promise<void> {
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

async function runAll(options: Options): Promise<void> {
  const { size, adapter, minutes, seed, rate, codes, world } = options
  if (size === 'quick') for (const plan of quickPlans(seed)) await run(plan, options)
  else if (size === 'long') await runLong(options)
  else if (size === 'chosen') await run(chosenPlan(adapter, codes, seed, rate, world), options)
  else if (size === 'regressions') await runRegressions(options)
  else if (adapter !== 'memory') await run(randomPlan(adapter, seed, rate, minutes), options)
}

async function runLong(options: Options): Promise<void> {
  const { minutes, seed, rate } = options
  const end = performance.now() + minutes * 60_000
  for (let phase = 0; phase === 0 || performance.now() < end; phase++) await run(longPlan(seed, phase, rate), options)
}

async function runRegressions(options: Options): Promise<void> {
  for (const { adapter, seed, minutes, found } of regressions()) {
    say(`seed ${seed} on ${adapter}: ${found}`)
    await run(randomPlan(adapter, seed, options.rate, minutes), options)
  }
}

async function main(given: Options): Promise<void> {
  const options = { ...given, folder: `${given.folder}/${Date.now().toString(36)}` }
  useMemory()
  await mkdir(options.folder, { recursive: true })
  await runAll(options)
  say(reportsText(results))
  const outcomes = options.controls ? await runControls(options.folder) : []
  if (options.controls) say(controlsText(outcomes))
  if (options.chart) await writeChart(outcomes.flatMap(({ result }) => result ?? []))
  const isProven = outcomes.every((outcome) => troubleOf(outcome) === undefined)
  process.exitCode = isProven && broken === 0 && results.every(({ report }) => report.verdict === 'pass') ? 0 : 1
}

try {
  const options = readOptions(process.argv.slice(2))
  if (options === undefined) say(HELP)
  else await main(options)
} catch (error) {
  if (!(error instanceof UsageError)) throw error
  process.stderr.write(`${error.message}\n`)
  process.exitCode = EXIT_USAGE
}
