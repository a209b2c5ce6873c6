/** The checker passes clean histories, and notices every single change to one: with the right rule, and only with rules that follow from it. */
import { describe, expect, it } from 'vitest'
import { check, type Report, type RuleReport } from '../../../testing/history/index.js'
import { historyOf } from '../../../testing/history/read.js'
import { CHANGES, type Change } from './changes.js'
import { type Entry, linesOf, simulate } from './simulation.js'

const RUNS = Array.from({ length: 8 }, (_, at) => at + 1)

const judge = (entries: readonly Entry[]): Report => check(historyOf(linesOf(entries)))

/** What is wrong with a report of a changed history; undefined when the change was caught. */
function missed({ must, finding, may = [] }: Change, { rules }: Report): string | undefined {
  const failed = rules.filter(({ verdict }) => verdict === 'fail')
  const isFound = failed.some(({ rule, findings }) => rule === must && findings.some(({ kind }) => kind === finding))
  if (!isFound) return `${must} did not find "${finding}"; failed: ${failed.map(describeRule).join(', ') || 'none'}`
  const strange = rules.filter(({ rule, verdict }) => verdict !== 'pass' && rule !== must && !may.includes(rule))
  return strange.length === 0 ? undefined : `${strange.map(describeRule).join(', ')} should have passed`
}

function describeRule({ rule, verdict, findings }: RuleReport): string {
  return `${rule} ${verdict} (${findings.map(({ kind, witness }) => `${kind}: ${witness.ids} ${witness.lines} ${witness.text}`)})`
}

describe('a clean history', () => {
  it.each([
    ['with faults', false],
    ['without any fault', true],
  ])('%s passes all ten rules, whatever its run number', (_, isCalm) => {
    for (const run of RUNS) {
      const { rules, figures } = judge(simulate(run, { isCalm }))
      expect(rules.filter(({ verdict }) => verdict !== 'pass').map(describeRule), `run ${run}`).toEqual([])
      expect(rules.every(({ checked }) => checked > 0)).toBe(true)
      if (isCalm) expect(figures.duplicates).toBe(0)
      else expect(figures.duplicates, 'the faults of the simulation cause duplicates').toBeGreaterThan(0)
    }
  })
})

describe('one change to a clean history', () => {
  // Each has a run number of its own, so that together they meet many histories.
  it.each(CHANGES.map((each, at) => ({ ...each, run: 100 + at })))('is noticed: $name', ({ run, ...each }) => {
    for (const isCalm of each.isCalm ? [true] : [true, false]) {
      const report = judge(each.change(simulate(run, { isCalm })))
      expect(missed(each, report), `run ${run}, ${isCalm ? 'calm' : 'with faults'}`).toBeUndefined()
      expect(report.verdict).toBe('fail')
    }
  })
})
