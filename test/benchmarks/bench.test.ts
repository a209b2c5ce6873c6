/** `npm run bench` runs and reports; what it measures is never a test. */
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { contenders } from '../../benchmarks/contenders/index.js'
import { goals } from '../../benchmarks/goals.js'
import { report } from '../../benchmarks/report.js'
import { percentiles, spread } from '../../benchmarks/rounds.js'
import { runExample } from '../examples/example-process.js'

const SCRIPT = 'benchmarks/main.ts'
const plan = { rounds: 3, seconds: 1, messages: 10, backlog: 10 }

/** It starts two servers, and may share the machine with every other test. */
const QUICK_RUN = { timeout: 120_000 }

describe('npm run bench', () => {
  it('--quick --json measures every contender and every ratio', QUICK_RUN, async () => {
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
    for (const { contender, latencies } of result.rows) {
      const isLatency = contender.startsWith('nats-latency')
      expect(latencies).toHaveLength(isLatency ? 2 : 0)
      for (const { p50, p95, p99 } of latencies) expect(0 < p50 && p50 <= p95 && p95 <= p99).toBe(true)
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

  it('--only takes the beginning of several names with its dash, and says where their messages are kept', async () => {
    const { code, stdout } = await runExample(SCRIPT, ['--quick', '--only', 'nats-single-,nats-latency-1000-']).ended
    expect(code).toBe(0)
    expect(stdout).toMatch(/^nats-single-official +[\d,]+.* file, R1, sync 2 min /m)
    expect(stdout).toMatch(/^nats-latency-1000 +[\d.]+ .* <= 1\.00 +(not )?reached/m)
    expect(stdout).not.toContain('nats-latency-10000')
  })

  it('leaves no server and no file of theirs behind', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'busbar-bench-'))
    const { code } = await runExample(SCRIPT, ['--quick', '--only', 'nats-single-'], { TMPDIR: folder }).ended
    expect(code).toBe(0)
    // The loader keeps a cache of its own there.
    expect((await readdir(folder)).filter((name) => name.startsWith('busbar-'))).toEqual([])
    await rm(folder, { recursive: true })
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
  const row = (contender: string, rates: readonly number[], p95s: readonly number[] = []) => {
    const latencies = p95s.map((p95) => ({ p50: p95 / 2, p95, p99: 2 * p95 }))
    return { contender, what: '', durability: '', messages: 10, rates, cpuUs: rates, latencies }
  }

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

  it('compares latencies by their 95th percentiles, and reaches a goal when the median is not above it', () => {
    const slow = row('nats-latency-10000-official', [1, 1, 1], [20, 30, 20])
    const fast = report([row('nats-latency-10000', [1, 1, 1], [2, 3, 4]), slow], plan)
    expect(fast.ratios).toHaveLength(1)
    expect(fast.ratios[0]).toMatchObject({ median: 0.1, min: 0.1, max: 0.2, reached: true })
    const late = report([row('nats-latency-10000', [1, 1, 1], [3, 6, 4]), slow], plan)
    expect(late.ratios[0]).toMatchObject({ median: 0.2, reached: false })
  })

  it('holds a latency against a limit in ms where no other contender is named', () => {
    const { ratios } = report([row('nats-latency-1000', [1, 1, 1], [0.5, 1.5, 0.9])], plan)
    expect(ratios).toHaveLength(1)
    expect(ratios[0]).toMatchObject({ contender: 'nats-latency-1000', median: 0.9, reached: true })
  })

  it('takes percentiles that are measured values, and none of nothing', () => {
    const values = Array.from({ length: 200 }, (_, at) => 200 - at)
    expect(percentiles(values)).toEqual({ p50: 100, p95: 190, p99: 198 })
    expect(percentiles([7])).toEqual({ p50: 7, p95: 7, p99: 7 })
    expect(percentiles([])).toBeUndefined()
  })

  it('takes the middle of an odd number of rounds, and the mean of the two middle ones of an even number', () => {
    expect(spread([3, 1, 2])).toEqual({ median: 2, min: 1, max: 3 })
    expect(spread([4, 1, 2, 8])).toEqual({ median: 3, min: 1, max: 8 })
  })
})
