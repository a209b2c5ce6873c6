/** What becomes of what was measured: ratios and goals, a comparison with an earlier run, Markdown, a chart. */
import { describe, expect, it } from 'vitest'
import { compare, differenceTable, verdictOf } from '../../benchmarks/compare.js'
import { contenders } from '../../benchmarks/contenders/index.js'
import { goals } from '../../benchmarks/goals.js'
import { withGoals, withTables } from '../../benchmarks/markdown.js'
import { report } from '../../benchmarks/report.js'
import { percentiles, type Row, spread } from '../../benchmarks/rounds.js'
import { toSvg } from '../../benchmarks/svg.js'

const plan = { rounds: 3, seconds: 1, messages: 10, backlog: 10, warmUp: true, resident: true }

function row(contender: string, rates: readonly number[], p95s: readonly number[] = []): Row {
  const latencies = p95s.map((p95) => ({ p50: p95 / 2, p95, p99: 2 * p95 }))
  const measured = { rates, cpuUs: rates, latencies, accepted: [], messages: 10, payloadBytes: 256 }
  return { contender, what: 'busbar', durability: 'none', beside: 'memory', groups: ['throughput'], ...measured }
}

describe('the report', () => {
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

  it('compares memory where a goal is about memory, and leaves the ratio out where none was measured', () => {
    const [small, large] = [row('nats-backlog-10k', [100]), row('nats-backlog-1m', [100])]
    const taken = [
      { ...small, residentMb: 100 },
      { ...large, residentMb: 160 },
    ]
    const ofMemory = report(taken, plan).ratios.filter((ratio) => 'residentAtMost' in ratio)
    expect(ofMemory).toHaveLength(1)
    expect(ofMemory[0]).toMatchObject({ median: 1.6, reached: false })
    expect(report([small, large], plan).ratios.filter((ratio) => 'residentAtMost' in ratio)).toHaveLength(0)
  })

  it('has goals of contenders that exist', () => {
    const names = new Set(contenders.map(({ name }) => name))
    for (const { contender, to = contender } of goals)
      expect([names.has(contender), names.has(to)]).toEqual([true, true])
  })
})

describe('a comparison with an earlier run', () => {
  const verdicts = (before: readonly Row[], now: readonly Row[]) =>
    Object.fromEntries(
      compare(report(before, plan), report(now, plan)).map((each) => [`${each.name} ${each.figure}`, each.verdict]),
    )

  it('marks what is outside the earlier min and max by more than a tenth, whichever way is better', () => {
    const before = [row('memory', [90, 100, 110])]
    expect(verdicts(before, [row('memory', [82, 82, 82])])['memory per second']).toBe('within the noise')
    expect(verdicts(before, [row('memory', [80, 80, 80])])['memory per second']).toBe('worse')
    expect(verdicts(before, [row('memory', [120, 120, 120])])['memory per second']).toBe('within the noise')
    expect(verdicts(before, [row('memory', [122, 122, 122])])).toEqual({
      'memory per second': 'better',
      'memory CPU us': 'worse',
    })
  })

  it('takes a lower latency and a lower ratio of latencies for the better one', () => {
    const official = row('nats-latency-1000-official', [1], [10])
    const [before, now] = [row('nats-latency-1000', [1], [5]), row('nats-latency-1000', [1], [3])]
    expect(verdicts([before, official], [now, official])).toMatchObject({
      'nats-latency-1000 p95 ms': 'better',
      'nats-latency-1000 / nats-latency-1000-official ratio': 'better',
      'nats-latency-1000-official p95 ms': 'within the noise',
    })
  })

  it('shows what is beyond the noise only, and leaves out what one of the runs does not have', () => {
    const before = report([row('memory', [100]), row('bound', [100])], plan)
    const differences = compare(before, report([row('memory', [50]), row('fastq', [1])], plan))
    expect(differenceTable(differences).lines.map(([name, figure]) => [name, figure])).toEqual([
      ['memory', 'per second'],
      ['memory', 'CPU us'],
    ])
    expect(verdictOf(differences)).toContain('1 worse, 1 better, 0 within the noise')
  })
})

describe('the tables of a Markdown file', () => {
  const first = report([row('memory', [100]), row('bound', [100])], plan)

  it('are added at the end, and replaced between their markers by the next run', () => {
    const text = withTables('# Title\n\nWords.\n', first)
    expect(text).toMatch(/^# Title\n\nWords\.\n\n## memory: .*<!-- bench throughput memory -->.*\| memory \| 100 \|/s)
    const again = withTables(text.replace('## memory: ', '## My own words: '), report([row('memory', [50])], plan))
    expect(again).toContain('## My own words: ')
    expect(again).toContain('| memory | 50 |')
    expect(again).not.toContain('| memory | 100 |')
    expect(again.match(/<!-- bench throughput memory -->/g)).toHaveLength(1)
  })

  it('leave alone what the run did not measure', () => {
    const nats = { ...row('nats-publish', [7]), beside: 'nats' } as const
    const text = withTables(withTables('', first), report([nats], plan))
    expect(text).toContain('| memory | 100 |')
    expect(text).toContain('| nats-publish | 7 |')
  })

  it('have every goal of a run in one place, and nothing else', () => {
    const nats = [row('nats-publish', [8]), row('nats-publish-official', [2])]
    const text = withGoals('# Title\n', report([row('memory', [100]), row('bound', [100]), ...nats], plan))
    expect(text).toMatch(/## Goals.*<!-- bench goals -->.*memory \/ bound.*nats-publish \/ nats-publish-official/s)
    expect(text).not.toContain('| memory | 100 |')
  })

  it('have the ratios of their own rows', () => {
    const text = withTables('', first)
    expect(text).toMatch(/\| memory \/ bound \| 1\.00 \|.*\| reached \|/)
  })
})

describe('the chart', () => {
  it('has a bar for each row with its median, as much longer as it is more', () => {
    const svg = toSvg(report([row('memory', [100, 200, 300]), row('bound', [400, 400, 400])], plan))
    const widths = [...svg.matchAll(/class="own"[^>]* width="([\d.]+)"/g)].map(([, width]) => Number(width))
    expect(widths).toHaveLength(2)
    expect((widths[0] ?? 0) / (widths[1] ?? 0)).toBeCloseTo(0.5, 2)
  })

  it('has latencies in a panel of their own, and names that cannot break it', () => {
    const svg = toSvg(report([row('a<b', [1]), row('slow', [1], [5])], plan))
    expect(svg).toContain('messages a second')
    expect(svg).toContain('p95 in ms')
    expect(svg).not.toContain('a<b')
  })
})
