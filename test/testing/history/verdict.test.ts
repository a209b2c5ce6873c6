/** Verdicts, exemptions and figures; what makes a history void; and that the checker survives any history. */
import { describe, expect, it } from 'vitest'
import type { Line } from '../../../testing/history/event.js'
import { check, reportText } from '../../../testing/history/index.js'
import { checkLine } from '../../../testing/history/line.js'
import { historyOf } from '../../../testing/history/read.js'
import { positions } from '../../../testing/history/rules/no-loss.js'
import { randomOf, shuffled } from '../../../testing/run-number.js'
import { ruleOf, Script } from './by-hand.js'
import { found } from './entries.js'
import { linesOf, simulate } from './simulation.js'

const lossy = () => new Script().publish('a', 'ok').start('w.3', 'other')

describe('a verdict', () => {
  it('is void, not a pass, when too little happened, and still a failure when something is wrong', () => {
    const few = new Script().publish('a', 'ok').start('w.3', 'a').settle('w.3', 'a', 'done').run({ minAccepted: 100 })
    expect(few.verdict).toBe('void')
    expect(ruleOf(few, 'R1')).toMatchObject({ verdict: 'void', reason: '1 were accepted, fewer than 100' })
    expect(ruleOf(lossy().run({ minAccepted: 100 }), 'R1').verdict).toBe('fail')
  })

  it('is void when a control did not bite, whatever was found', () => {
    const report = lossy().run({ voidBecause: ['the control lost nothing'] })
    expect(new Set(report.rules.map(({ verdict }) => verdict))).toEqual(new Set(['void']))
    expect(ruleOf(report, 'R1').findings).toHaveLength(1)
  })

  it('is skipped where there is nothing to judge by, which does not count as a pass', () => {
    const report = new Script().publish('a', 'ok').start('w.3', 'a').settle('w.3', 'a', 'done').run()
    const skipped = report.rules.filter(({ verdict }) => verdict === 'skipped').map(({ rule }) => rule)
    expect(skipped).toEqual(['R4', 'R8', 'R9', 'R10'])
    expect(report.verdict).toBe('pass')
  })

  it('comes with the smallest witness and where to find it', () => {
    const [finding] = ruleOf(lossy().run(), 'R1').findings
    expect(finding).toMatchObject({ kind: 'never delivered', count: 1, witness: { ids: ['a'], lines: ['p.2:2'] } })
  })

  it('gives the bound of 0 in n', () => {
    const { rules } = check(historyOf(linesOf(simulate(1))))
    for (const { checked, bound } of rules) expect(bound).toBeCloseTo(3 / checked)
  })

  it('can be exempt, for one kind of finding, with a reason that is printed', () => {
    const exemption = { rule: 'R1', finding: 'never delivered', reason: 'it keeps nothing' } as const
    const script = lossy()
    const report = script.run({ exempt: [exemption] })
    expect(ruleOf(report, 'R1')).toMatchObject({ verdict: 'pass', findings: [], bound: undefined })
    expect(reportText(report)).toContain('never delivered: 1 (exempt: it keeps nothing)')
    expect(ruleOf(lossy().run({ exempt: [{ ...exemption, finding: 'other' }] }), 'R1').verdict).toBe('fail')
  })
})

describe('what is lost', () => {
  it.each([
    [[0, 1], 5, 'prefix 2, middle 0, postfix 0'],
    [[2], 5, 'prefix 0, middle 1, postfix 0'],
    [[3, 4], 5, 'prefix 0, middle 0, postfix 2'],
    [[0, 2, 4], 5, 'prefix 1, middle 1, postfix 1'],
    [[0, 1], 2, 'prefix 2, middle 0, postfix 0'],
  ])('%j of the accepted order', (missing, total, where) => {
    expect(positions(missing, total)).toBe(where)
  })
})

describe('figures', () => {
  it('tell how long it took after a fault until a handler started and until all was at rest', () => {
    const script = new Script().publish('a', 'ok').fault('nats', 50).wait(20).start('w.3', 'a')
    script.settle('w.3', 'a', 'done').in('control.1', { ev: 'heal' }).wait(9).publish('b', 'fail')
    const [recovery] = script.run().figures.recovery
    const near = (ms: number) => ({
      count: 1,
      p50: expect.closeTo(ms),
      p95: expect.closeTo(ms),
      max: expect.closeTo(ms),
    })
    expect(recovery).toEqual({
      kind: 'made up',
      faults: 1,
      toFirstStart: near(21),
      toClear: near(21),
      takeover: undefined,
      toQuiesce: near(12),
      withoutAcceptance: near(0),
    })
  })

  it('tell how long it took until somebody else had started what a killed process was at', () => {
    const script = new Script().publish('a', 'ok').publish('b', 'ok')
    script.in('control.1', { ev: 'fault.begin', id: '1', kind: 'killed', target: 'w' })
    script.start('w.3', 'a').start('w.3', 'b').killed('w.3')
    script.in('control.1', { ev: 'fault.end', id: '1' }).wait(40).start('w.4', 'a').wait(10).start('w.4', 'b')
    expect(found(script.run().figures.recovery[0]).takeover?.max).toBeCloseTo(53)
  })

  it('tell how long it took until everything that had been accepted before the end of a fault was started', () => {
    const script = new Script().publish('a', 'ok').fault('nats', 50).publish('later', 'ok').wait(70).start('w.3', 'a')
    expect(found(script.run().figures.recovery[0]).toClear?.max).toBeCloseTo(73)
  })

  it('tell the longest time in which nothing was accepted', () => {
    const script = new Script().publish('a', 'ok').fault('nats', 50).wait(20).publish('b', 'ok')
    expect(found(script.run().figures.recovery[0]).withoutAcceptance?.max).toBeCloseTo(73)
  })
})

it('takes two copies that one process handles at a time for two attempts, each with its own end', () => {
  const script = new Script().publish('a', 'ok').start('w.3', 'a').start('w.3', 'a')
  script.settle('w.3', 'a', 'done').settle('w.3', 'a', 'done')
  expect(script.run().voidBecause).toEqual([])
  expect(script.judged('R3')).toEqual(['fail', 'no reason'])
  expect(script.settle('w.3', 'a', 'done').run().voidBecause).toHaveLength(1)
})

describe('a history that is not whole', () => {
  const clean = () => linesOf(simulate(7))
  const edited = (edit: (files: Map<string, Line[]>) => void) => {
    const files = clean()
    edit(files)
    return check(historyOf(files))
  }
  const linesIn = (files: Map<string, Line[]>, name: string): Line[] => found(files.get(name))

  it.each<[string, (files: Map<string, Line[]>) => void]>([
    ['lacks a line', (files) => linesIn(files, 'w1.30').splice(40, 1)],
    ['has two lines in each other’s place', (files) => linesIn(files, 'p1.11').reverse()],
    [
      'has a line of another run',
      (files) => linesIn(files, 'p1.11').splice(0, 1, { ...found(linesIn(files, 'p1.11')[0]), run: 'x' }),
    ],
    [
      'has two processes in a file',
      (files) => linesIn(files, 'p1.11').splice(3, 1, { ...found(linesIn(files, 'p1.11')[3]), pid: 9 }),
    ],
    ['goes on after its end', (files) => linesIn(files, 'w1.30').push({ ...found(linesIn(files, 'w1.30')[5]), n: 1 })],
    ['has no configuration', (files) => files.delete('control.1')],
    ['has a file without a line', (files) => files.set('empty', [])],
    ['has a list of a store that was cut', (files) => linesIn(files, 'control.1').splice(-200)],
  ])('proves nothing: it %s', (_, edit) => {
    const { verdict, rules, voidBecause } = edited(edit)
    expect(verdict).toBe('void')
    expect(rules.every((rule) => rule.verdict === 'void')).toBe(true)
    expect(voidBecause.length).toBeGreaterThan(0)
  })

  it('lets the checker end with a report, however it is shuffled, cut or garbled', () => {
    for (let run = 1; run <= 12; run++) {
      const random = randomOf(run)
      const files = new Map([...clean()].map(([name, lines]) => [name, garbled(lines, random)]))
      const report = check(historyOf(files))
      expect(['void', 'fail', 'pass']).toContain(report.verdict)
      expect(reportText(report)).toContain('R10')
      expect(JSON.parse(JSON.stringify(report))).toHaveProperty('rules')
    }
  })
})

/** Shuffled, cut, doubled or with fields of other lines; every line is well-formed for itself, since the reader sees to that. */
function garbled(lines: readonly Line[], random: () => number): Line[] {
  const drawn = random()
  if (drawn < 0.25) return shuffled(lines, random)
  if (drawn < 0.5) return lines.slice(0, Math.floor(random() * lines.length))
  if (drawn < 0.75) return lines.filter(() => random() < 0.7)
  return lines.flatMap((line) => {
    const other = found(lines[Math.floor(random() * lines.length)])
    const mixed = checkLine(random() < 0.3 ? { ...line, ...other, ev: line.ev } : line)
    return typeof mixed === 'string' ? [] : random() < 0.1 ? [mixed, mixed] : [mixed]
  })
}
