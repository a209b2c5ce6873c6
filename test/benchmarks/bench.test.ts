/** `npm run bench` runs, reports, and refuses; what it measures is never a test. What becomes of a report is in `reports.test.ts`. */
import { chmod, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { groups } from '../../benchmarks/contender.js'
import { contenders } from '../../benchmarks/contenders/index.js'
import { goals } from '../../benchmarks/goals.js'
import { readOptions, UsageError } from '../../benchmarks/options.js'
import { type Ended, runExample } from '../examples/example-process.js'

const SCRIPT = 'benchmarks/main.ts'

/** It may start servers, and shares the machine with every other test. */
const QUICK_RUN = { timeout: 180_000 }

let folder = ''

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'bench-test-'))
})

afterAll(() => rm(folder, { recursive: true }))

function quick(...args: readonly string[]): Promise<Ended> {
  return runExample(SCRIPT, ['--quick', ...args]).ended
}

describe('npm run bench', () => {
  it('--json has every contender of a backend with figures that can be, and every ratio', QUICK_RUN, async () => {
    const { code, stdout, stderr } = await quick('--adapter', 'memory', '--json', '-')
    expect(stderr).toBe('')
    expect(code).toBe(0)
    const result = JSON.parse(stdout)
    const names = contenders.filter(({ beside }) => beside === 'memory').map(({ name }) => name)
    expect(new Set(result.rows.map((row: { contender: string }) => row.contender.split('@')[0]))).toEqual(
      new Set(names),
    )
    for (const { median, min, max } of [...result.rows, ...result.ratios]) {
      for (const figure of [median, min, max]) expect(Number.isFinite(figure) && figure > 0).toBe(true)
      expect(min <= median && median <= max).toBe(true)
    }
    for (const { groups, latencies, cpuUs } of result.rows) {
      expect(latencies).toHaveLength(groups.includes('rates') || groups.includes('lifecycle') ? 1 : 0)
      for (const { p50, p95, p99 } of latencies) expect(0 < p50 && p50 <= p95 && p95 <= p99).toBe(true)
      expect(cpuUs[0]).toBeGreaterThanOrEqual(0)
    }
    expect(result.machine).toMatchObject({ cores: expect.any(Number), node: process.version })
  })

  it('--group and --adapter together choose what is in both', QUICK_RUN, async () => {
    const { code, stdout } = await quick('--adapter', 'memory', '--group', 'rates', '--json', '-')
    expect(code).toBe(0)
    const names = JSON.parse(stdout).rows.map((row: { contender: string }) => row.contender)
    expect(names).toEqual(['memory-latency-1000', 'memory-latency-10000', 'memory-latency-100000'])
  })

  it('--only runs the named contenders, and says what was reached for a person', QUICK_RUN, async () => {
    const { code, stdout } = await quick('--only', 'bound,memory')
    expect(code).toBe(0)
    expect(stdout).toMatch(/^bound +[\d,]+/m)
    expect(stdout).toMatch(/^memory \/ bound .* >= 0\.60 +(not )?reached/m)
    expect(stdout).not.toContain('backlog')
    expect(stdout).not.toContain('memory@')
  })

  it(
    '--only takes the beginning of several names with its dash, and says where messages are kept',
    QUICK_RUN,
    async () => {
      const { code, stdout } = await quick('--only', 'nats-single-,nats-latency-1000-')
      expect(code).toBe(0)
      expect(stdout).toMatch(/^nats-single-official +[\d,]+.* file, R1, sync 2 min /m)
      expect(stdout).toMatch(/^nats-latency-1000 +[\d.]+ .* <= 1\.00 +(not )?reached/m)
      expect(stdout).not.toContain('nats-latency-10000')
    },
  )

  it('--size runs each contender with each payload, and holds goals against 256 bytes only', QUICK_RUN, async () => {
    const { code, stdout } = await quick('--only', 'bound,memory', '--size', '256,4096', '--json', '-')
    expect(code).toBe(0)
    const { rows, ratios } = JSON.parse(stdout)
    expect(rows.map((row: { contender: string }) => row.contender)).toEqual([
      'bound',
      'bound@4096',
      'memory',
      'memory@4096',
    ])
    expect(ratios.map(({ payloadBytes, reached }: Record<string, unknown>) => [payloadBytes, typeof reached])).toEqual([
      [256, 'boolean'],
      [4096, 'undefined'],
    ])
  })

  it('--resident says how much memory a process takes that does one run and nothing else', QUICK_RUN, async () => {
    const { code, stdout } = await quick('--only', 'memory', '--resident', '--json', '-')
    expect(code).toBe(0)
    const { rows, idleMb } = JSON.parse(stdout)
    expect(idleMb).toBeGreaterThan(10)
    expect(rows[0].residentMb).toBeGreaterThan(10)
  })

  it('--json and --svg write files, and a later run is compared with the first', QUICK_RUN, async () => {
    const [json, svg] = [join(folder, 'first.json'), join(folder, 'first.svg')]
    const first = await quick('--only', 'memory', '--json', json, '--svg', svg)
    expect(first.code).toBe(0)
    expect(first.stdout).toMatch(/^memory +[\d,]+/m)
    expect(await readFile(svg, 'utf8')).toMatch(/^<svg .*>memory<.*<\/svg>\n$/s)
    const second = await quick('--only', 'memory', '--compare', json)
    expect(second.code).toBe(0)
    expect(second.stdout).toMatch(/Compared with the earlier run: \d+ worse, \d+ better, \d+ within the noise/)
  })

  it('leaves no server and no file of theirs behind', QUICK_RUN, async () => {
    const own = await mkdtemp(join(tmpdir(), 'bench-own-'))
    // PostgreSQL does not run as root, and has to get in.
    await chmod(own, 0o755)
    const only = ['--quick', '--only', 'nats-single-,dual-publish-64,nats-processes-1']
    const { code } = await runExample(SCRIPT, only, { TMPDIR: own }).ended
    expect(code).toBe(0)
    // The loader keeps a cache of its own there.
    expect((await readdir(own)).filter((name) => name.startsWith('busbar-'))).toEqual([])
    await rm(own, { recursive: true })
  })

  it('refuses what it cannot do, with exit code 2 and nothing on standard output', QUICK_RUN, async () => {
    const { code, stdout, stderr } = await quick('--only', 'rabbit')
    expect(code).toBe(2)
    expect(stdout).toBe('')
    expect(stderr).toMatch(/^--only rabbit: choose from bound, memory, /)
  })
})

describe('options', () => {
  it('choose by --goals whatever a goal compares, with 256 bytes', () => {
    const { entries = [] } = readOptions(['--goals'], contenders) ?? {}
    const names = new Set(goals.flatMap(({ contender, to }) => [contender, ...(to === undefined ? [] : [to])]))
    expect(new Set(entries.map(({ contender }) => contender.name))).toEqual(names)
    expect(new Set(entries.map(({ payloadBytes }) => payloadBytes))).toEqual(new Set([256]))
  })

  it.each([
    ['an unknown contender', ['--only', 'rabbit'], 'choose from'],
    ['an unknown backend', ['--adapter', 'rabbit'], 'choose from memory, nats, dual'],
    ['an unknown group', ['--group', 'all'], 'choose from throughput'],
    ['a choice of nothing', ['--adapter', 'memory', '--group', 'replicas'], 'leave one of them out'],
    ['a number that is none', ['--rounds', 'many'], 'give a whole number'],
    ['no rounds', ['--rounds', '0'], 'at least 1'],
    ['a payload that no server takes', ['--size', '256,9000000'], 'at most 1000000'],
    ['a folder that is not there', ['--svg', 'nowhere/at/all.svg'], 'make it first'],
    ['an earlier run that is not there', ['--compare', 'nowhere.json'], 'give a file that --json'],
    ['a smoke run for keeping', ['--quick', '--markdown', 'docs/benchmarks.md'], 'leave --quick out'],
    ['half a group for keeping', ['--only', 'memory', '--markdown', 'docs/benchmarks.md'], 'choose with --group'],
    ['goals and a choice', ['--goals', '--only', 'memory'], 'it chooses by itself'],
    ['an unknown option', ['--fast'], 'See --help'],
  ])('refuse %s, with the remedy', (_, args, remedy) => {
    const read = (): unknown => readOptions(args, contenders)
    expect(read).toThrow(UsageError)
    expect(read).toThrow(remedy)
  })

  it('refuse an earlier run that is something else', async () => {
    const file = join(folder, 'else.json')
    await writeFile(file, '{"rows":3}')
    expect(() => readOptions(['--compare', file], contenders)).toThrow('not a report')
  })

  it('take every size in a full run and in the group of sizes, and 256 bytes for whoever names contenders', () => {
    const payloads = (...args: readonly string[]) =>
      readOptions(args, contenders)
        ?.entries.filter(({ contender }) => contender.name === 'memory')
        .map(({ payloadBytes }) => payloadBytes)
    expect(payloads()).toEqual([256, 1024, 16_384, 1_000_000])
    expect(payloads('--group', 'sizes')).toEqual([256, 1024, 16_384, 1_000_000])
    expect(payloads('--group', 'throughput')).toEqual([256])
    expect(payloads('--only', 'memory')).toEqual([256])
  })

  it('give a full run all groups, each contender once', () => {
    const all = readOptions([], contenders)?.entries ?? []
    expect(new Set(all.map(({ contender }) => contender.name)).size).toBe(contenders.length)
    for (const group of Object.keys(groups)) {
      const entries = readOptions(['--group', group], contenders)?.entries ?? []
      expect([group, entries.length > 1]).toEqual([group, true])
    }
  })
})

describe('the contenders', () => {
  it('have a name each, and a group', () => {
    const names = contenders.map(({ name }) => name)
    expect(new Set(names).size).toBe(names.length)
    for (const { name, groups } of contenders) expect([name, groups.length > 0]).toEqual([name, true])
  })
})
