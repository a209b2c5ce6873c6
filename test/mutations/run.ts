/**
 * `npm run test:mutations`: breaks a copy of the bus in one place at a time and expects the conformance suite to notice. An unbroken copy
 * must pass first, for a suite that is red anyway proves nothing.
 */
import { execFile } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { MUTATIONS, type Mutation } from './mutations.js'

const AT_ONCE = 2
/** A mutant that hangs is ended after this; being seen to hang is being caught. */
const LIMIT_MS = 120_000
const SUITE = 'test/adapters/memory.suite.test.ts'
const RESULTS = 'results.json'
/** Instead of the repository's, which would first get servers that the memory backend does not need. */
const CONFIG = 'export default { test: { testTimeout: 20_000 } }'
const COPIED = ['src', 'adapters', 'testing', 'test/adapters', 'package.json']

interface SuiteRun {
  readonly passed: number
  /** The first scenario that failed. */
  readonly failed: string | undefined
  readonly isTimedOut: boolean
  readonly seconds: number
  /** The runner's last words, for when it could not run the suite at all. */
  readonly output: string
}

interface Outcome {
  readonly mutation: Mutation
  /** What gave it away; undefined when nothing did. */
  readonly caughtBy: string | undefined
  readonly seconds: number
}

mkdirSync('.cache', { recursive: true })
const workshop = mkdtempSync('.cache/mutations-')
const original = path.join(workshop, 'original')
try {
  copyRepository(original)
  for (const mutation of MUTATIONS) broken(mutation)
  process.exitCode = await main()
} finally {
  rmSync(workshop, { recursive: true, force: true })
}

async function main(): Promise<number> {
  const control = await runSuite(original, [])
  if (control.failed !== undefined || control.passed === 0) {
    console.error(`The unbroken bus must pass first. It fails: ${control.failed ?? control.output}`)
    return 1
  }
  console.log(`control: ${control.passed} scenarios passed in ${control.seconds.toFixed(1)} s\n`)
  const outcomes = await inTurns(MUTATIONS, tryOut)
  const caught = outcomes.filter(({ caughtBy }) => caughtBy !== undefined).length
  console.log(`\n${caught} of ${outcomes.length} mutations caught`)
  return caught === outcomes.length ? 0 : 1
}

async function tryOut(mutation: Mutation, at: number): Promise<Outcome> {
  const folder = path.join(workshop, String(at))
  cpSync(original, folder, { recursive: true })
  writeFileSync(path.join(folder, mutation.file), broken(mutation))
  const { failed, isTimedOut, passed, seconds, output } = await runSuite(folder, mutation.groups)
  if (failed === undefined && passed === 0 && !isTimedOut)
    throw new Error(`"${mutation.name}" ran no scenario, which proves nothing:\n${output}`)
  const caughtBy = isTimedOut ? `the suite did not end within ${LIMIT_MS / 1000} s` : failed
  console.log(
    `${caughtBy === undefined ? 'SURVIVED' : 'caught  '} ${seconds.toFixed(1).padStart(5)} s  ${mutation.name}`,
  )
  console.log(`                   ${caughtBy ?? `no scenario of ${mutation.groups.join(', ')} noticed`}`)
  return { mutation, caughtBy, seconds }
}

/** One state of the sources for the whole run, inside the repository, so that packages resolve. */
function copyRepository(folder: string): void {
  const configs = readdirSync('.').filter((file) => /^tsconfig.*\.json$/.test(file))
  for (const each of [...COPIED, ...configs]) cpSync(each, path.join(folder, each), { recursive: true })
  writeFileSync(path.join(folder, 'vitest.config.ts'), CONFIG)
}

/** The mutation's file with its text replaced. */
function broken({ name, file, find, replace }: Mutation): string {
  const [before, after, ...more] = readFileSync(path.join(original, file), 'utf8').split(find)
  if (before !== undefined && after !== undefined && more.length === 0) return before + replace + after
  throw new Error(`"${name}": its text must stand exactly once in ${file}:\n${find}`)
}

/** @param groups of the suite; none means all */
async function runSuite(folder: string, groups: readonly string[]): Promise<SuiteRun> {
  const vitest = path.resolve('node_modules/vitest/vitest.mjs')
  const options = ['--bail=1', '--reporter=json', `--outputFile=${RESULTS}`]
  const only = groups.length === 0 ? [] : ['-t', `^memory: (${groups.join('|')}) `]
  const startedAt = performance.now()
  const { output, isTimedOut } = await execute([vitest, 'run', SUITE, ...options, ...only], folder)
  const seconds = (performance.now() - startedAt) / 1000
  return { ...readResults(path.join(folder, RESULTS)), isTimedOut, seconds, output }
}

function execute(program: readonly string[], cwd: string): Promise<{ output: string; isTimedOut: boolean }> {
  return new Promise((resolve) => {
    execFile(process.execPath, program, { cwd, timeout: LIMIT_MS, killSignal: 'SIGKILL' }, (error, stdout, stderr) => {
      resolve({ output: (stdout + stderr).slice(-2000), isTimedOut: error?.killed === true })
    })
  })
}

interface Results {
  readonly testResults: readonly {
    readonly assertionResults: readonly { readonly status: string; readonly fullName: string }[]
  }[]
}

function readResults(file: string): Pick<SuiteRun, 'passed' | 'failed'> {
  let results: Results = { testResults: [] }
  try {
    results = JSON.parse(readFileSync(file, 'utf8'))
  } catch {
    // It came to no results: nothing passed and nothing failed.
  }
  const scenarios = results.testResults.flatMap(({ assertionResults }) => assertionResults)
  const passed = scenarios.filter(({ status }) => status === 'passed').length
  return { passed, failed: scenarios.find(({ status }) => status === 'failed')?.fullName }
}

/** In order, a few at a time. */
async function inTurns<Item, Result>(
  items: readonly Item[],
  work: (item: Item, at: number) => Promise<Result>,
): Promise<Result[]> {
  const results: Result[] = []
  const queue = items.entries()
  const worker = async (): Promise<void> => {
    for (const [at, item] of queue) results[at] = await work(item, at)
  }
  await Promise.all(Array.from({ length: AT_ONCE }, worker))
  return results
}
