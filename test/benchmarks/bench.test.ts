/** `npm run bench` runs and reports; what it measures is never a test. */
import { describe, expect, it } from 'vitest'
import { contenders } from '../../benchmarks/contenders/index.js'
import { goals } from '../../benchmarks/goals.js'
import { report } from '../../benchmarks/report.js'
import { spread } from '../../benchmarks/rounds.js'
import { runExample } from '../examples/example-process.js'

const SCRIPT = 'benchmarks/main.ts'
const plan = { rounds: 3, seconds: 1, messages: 10, backlog: 10 }

describe('npm run bench', () => {
  it('--quick --json measures every contender and every ratio', async () => {
    const { code, stdout, stderr } = await runExample(SCRIPT, ['--quick', '--json']).ended
    expect(stderr).toBe('')
    expect(code).toBe(0)
    const result = JSON.parse(stdout)
    expect(result.rows.map((row: { contender: string }) => row.contender)).toEqual(
      contenders.map((contender) => contender.name),
    )
    expect(result.ratios).toHaveLength(goals.length)
    for (const { median, min, max } of [...result.rows, ...result.ratios]) {
      for (const figure of [median, min, max]) expect(Number.isFinite(figure) && figure > 0).toBe(true)
      expect(min <= median && median <= max).toBe(true)
    }
    expect(result.machine).toMatchObject({ cores: expect.any(Number), node: process.version })
  })

  it('--only runs the named contenders, and says what was reached for a person', async () => {
    const { code, stdout } = await runExample(SCRIPT, ['--quick', '--only', 'bound,memory']).ended
    expect(code).toBe(0)
    expect(stdout).toMatch(/^bound +[\d,]+/m)
    expect(stdout).toMatch(/^memory \/ bound .* >= 0\.60 +(not )?reached/m)
    expect(stdout).not.toContain('backlog')
  })

  it.each([
    ['an unknown contender', ['--only', 'rabbit']],
    ['a number that is none', ['--rounds', 'many']],
    ['no rounds', ['--rounds', '0']],
    ['an unknown option', ['--fast']],
  ])('refuses %s before it measures anything', async (_, args) => {
    const { code, stdout, stderr } = await runExample(SCRIPT, args).ended
    expect(code).toBe(2)
    expect(stdout).toBe('')
    expect(stderr).toContain(args[0])
  })
})

describe('the report', () => {
  const row = (contender: string, rates: readonly number[]) => ({ contender, what: '', messages: 10, rates })

  it('takes a ratio within each round, so that a slow round of the machine does not count', () => {
    const { ratios } = report([row('bound', [100, 10, 100]), row('memory', [70, 7, 70])], plan)
    expect(ratios).toHaveLength(1)
    expect(ratios[0]).toMatchObject({
      contender: 'memory',
      to: 'bound',
      median: 0.7,
      min: 0.7,
      max: 0.7,
      reached: true,
    })
  })

  it('says that a goal is not reached when the median is below it', () => {
    const { ratios } = report([row('bound', [100, 100, 100]), row('memory', [59, 90, 59])], plan)
    expect(ratios[0]).toMatchObject({ median: 0.59, max: 0.9, reached: false })
  })

  it('takes the middle of an odd number of rounds, and the mean of the two middle ones of an even number', () => {
    expect(spread([3, 1, 2])).toEqual({ median: 2, min: 1, max: 3 })
    expect(spread([4, 1, 2, 8])).toEqual({ median: 3, min: 1, max: 8 })
  })
})
