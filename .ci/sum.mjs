// What `npm test` left behind, as three lines or more: how many passed, how many failed, and the name and reason of each that failed.
import { readFileSync } from 'node:fs'
import { relative } from 'node:path'

const results = JSON.parse(readFileSync(process.argv[2], 'utf8'))
console.log(results.numPassedTests)
console.log(results.numFailedTests)
for (const file of results.testResults.filter(file => file.status === 'failed')) {
  const name = relative('.', file.name)
  const failed = file.assertionResults.filter(test => test.status === 'failed')
  if (failed.length === 0) console.log(`${name}: ${firstLine(file.message)}`)
  for (const test of failed) console.log(`${name} > ${test.fullName}: ${firstLine(test.failureMessages[0])}`)
}

function firstLine(text) {
  return (text ?? '').split('\n', 1)[0].slice(0, 300)
}
