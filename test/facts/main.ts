/** `npm run facts`: runs the tests that are named by a fact's code and prints, for each fact, its tests and their results. */
import { spawn } from 'node:child_process'
import { readFile, rm } from 'node:fs/promises'
import { FACTS } from './facts.js'
import { POSTGRES_FACTS } from './postgres-facts.js'

/** Where `vitest.config.ts` has the results written. */
const RESULTS = '.cache/test-results.json'
const say = (line: string): boolean => process.stdout.write(`${line}\n`)
const CODE = /\b(?:JS|PG)-[A-Z]\d+\b/g
const ALL = [...FACTS, ...POSTGRES_FACTS]

interface TestResult {
  readonly title: string
  readonly status: string
}

interface Report {
  readonly testResults: readonly { readonly assertionResults: readonly TestResult[] }[]
}

await rm(RESULTS, { force: true })
const args = ['vitest', 'run', '-t', '(JS|PG)-[A-Z]', 'test/adapters', 'test/src']
await new Promise((resolve) => spawn('npx', args, { stdio: ['ignore', 'ignore', 'inherit'] }).once('close', resolve))
const report: Report = JSON.parse(await readFile(RESULTS, 'utf8'))

const tests = new Map<string, TestResult[]>()
for (const test of report.testResults.flatMap(({ assertionResults }) => assertionResults)) {
  for (const code of new Set(test.title.match(CODE) ?? [])) tests.set(code, [...(tests.get(code) ?? []), test])
}

let missing = 0
for (const { code, text, avoided } of ALL) {
  const own = (tests.get(code) ?? []).filter(({ status }) => status === 'passed' || status === 'failed')
  const failed = own.filter(({ status }) => status === 'failed').length
  const result = own.length > 0 ? `${own.length - failed} passed, ${failed} failed` : (avoided ?? 'NO TEST')
  if (failed > 0 || (own.length === 0 && avoided === undefined)) missing++
  say(`${code.padEnd(7)} ${text}\n        ${result}`)
  for (const title of new Set(own.map((test) => test.title))) say(`        - ${title}`)
}
say(`${ALL.length} facts, ${missing} without a passing test`)
process.exitCode = missing === 0 ? 0 : 1
