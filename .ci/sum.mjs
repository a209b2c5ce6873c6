// What `npm test` left behind, a line each: how many passed, how many failed, and the name and reason of each that failed.
import { readFileSync } from 'node:fs'
import { relative } from 'node:path'

const results = JSON.parse(readFileSync(process.argv[2], 'utf8'))
const failures = results.testResults.filter((file) => file.status === 'failed').flatMap(failuresOf)
for (const line of [results.numPassedTests, results.numFailedTests, ...failures]) process.stdout.write(`${line}\n`)

function failuresOf(file) {
  const name = relative('.', file.name)
  const failed = file.assertionResults.filter((test) => test.status === 'failed')
  if (failed.length === 0) return [`${name}: ${firstLine(file.message)}`]
  return failed.map((test) => `${name} > ${test.fullName}: ${firstLine(test.failureMessages[0])}`)
}

function firstLine(text) {
  return (text ?? '').split('\n', 1)[0].slice(0, 300)
}
