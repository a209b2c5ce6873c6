/**
 * Many reports of `npm run faults` as one record: what was run, what was found, and how soon all was well again, as Markdown.
 *
 *   npx tsx test/faults/record.ts faults-report-1.json faults-report-2.json …
 */
import { readFileSync } from 'node:fs'
import type { Recovery, Report } from '../../testing/history/index.js'

/** One run of a `faults-report.json`. */
interface Entry extends Report {
  readonly seed: number
  readonly nodes: number
  readonly syncInterval: string
  readonly perSecond: number
  readonly cycles: readonly { readonly fault: string; readonly skipped?: string }[]
}

/** Of the plan, section 9, in ms; the ack wait of these runs is 3 s. */
const TARGETS: readonly (readonly [what: string, kinds: readonly string[], of: keyof Recovery, ms: number])[] = [
  ['a worker is killed: takeover within the ack wait and 2 s', ['F1', 'F1b'], 'takeover', 5000],
  ['nats-server is killed: handlers start again', ['F5', 'F5b', 'F5c', 'F6', 'F6b'], 'toFirstStart', 5000],
  ['PostgreSQL is restarted: accepted again', ['F10'], 'withoutAcceptance', 3000],
  ['links were half open: handlers start again', ['F13b'], 'toFirstStart', 15_000],
]

const entries = process.argv.slice(2).flatMap((file): Entry[] => JSON.parse(readFileSync(file, 'utf8')))

function table(head: readonly string[], rows: readonly (readonly (string | number)[])[]): string {
  const line = (cells: readonly (string | number)[]): string => `| ${cells.join(' | ')} |`
  return [line(head), line(head.map((_, at) => (at < 2 ? '---' : '--:'))), ...rows.map(line)].join('\n')
}

/** What is exempted counts as found, in brackets. */
function found({ rules }: Entry, code: string): string {
  const rule = rules.find((each) => each.rule === code)
  const sum = (findings: readonly { readonly count: number }[] = []): number =>
    findings.reduce((all, { count }) => all + count, 0)
  const exempted = sum(rule?.exempted)
  return `${sum(rule?.findings)}${exempted === 0 ? '' : ` (${exempted})`}`
}

function runRow(entry: Entry): (string | number)[] {
  const { adapter, syncInterval, nodes, perSecond, seed, verdict, figures, cycles, rules } = entry
  const setup =
    adapter === 'memory' ? adapter : `${adapter}, sync ${syncInterval}${nodes === 1 ? '' : `, ${nodes} nodes`}`
  const red = rules.filter((rule) => rule.verdict === 'fail').map(({ rule }) => rule)
  const faults = cycles.filter(({ skipped }) => skipped === undefined).length
  const counts = ['R1', 'R2', 'R3', 'R5'].map((code) => found(entry, code))
  const judged = red.length === 0 ? verdict : `${verdict}: ${red.join(' ')}`
  return [
    setup,
    judged,
    perSecond,
    seed,
    faults,
    figures.accepted.toLocaleString('en-US'),
    figures.starts.toLocaleString('en-US'),
    ...counts,
  ]
}

/** The worst of each run, since each kind of fault happens once or twice in a run. */
function spread(adapter: string, kinds: readonly string[], of: keyof Recovery): number[] {
  const ofIt = entries.filter((entry) => entry.adapter === adapter).flatMap(({ figures }) => figures.recovery)
  const values = ofIt.filter(({ kind }) => kinds.includes(kind)).map((recovery) => recovery[of])
  return values.flatMap((value) => (typeof value === 'object' ? [value.max] : [])).toSorted((a, b) => a - b)
}

function share(values: readonly number[], part: number): string {
  return values.length === 0 ? '-' : (values[Math.ceil(part * values.length) - 1] ?? 0).toFixed(0)
}

function targetRows(adapter: string): (string | number)[][] {
  return TARGETS.flatMap(([what, kinds, of, ms]) => {
    const values = spread(adapter, kinds, of)
    if (values.length === 0) return []
    return [[adapter, what, values.length, share(values, 0.5), share(values, 0.95), share(values, 1), ms]]
  })
}

function recoveryRows(adapter: string): (string | number)[][] {
  const own = entries.filter((entry) => entry.adapter === adapter).flatMap(({ figures }) => figures.recovery)
  return [...new Set(own.map(({ kind }) => kind))].sort().map((kind) => {
    const cell = (of: keyof Recovery): string => {
      const values = spread(adapter, [kind], of)
      return [0.5, 0.95, 1].map((part) => share(values, part)).join(' / ')
    }
    return [
      adapter,
      kind,
      own.filter((each) => each.kind === kind).length,
      cell('toFirstStart'),
      cell('toClear'),
      cell('takeover'),
      cell('withoutAcceptance'),
    ]
  })
}

const adapters = [...new Set(entries.map(({ adapter }) => adapter))]
const totals = ['accepted', 'starts'].map((of) =>
  entries.reduce((sum, { figures }) => sum + figures[of as 'accepted' | 'starts'], 0).toLocaleString('en-US'),
)
const RUNS = [
  'setup',
  'verdict',
  'msg/s',
  'seed',
  'faults',
  'accepted',
  'starts',
  'lost',
  'phantom',
  'doubled',
  'disorder',
]
process.stdout.write(
  `${[
    table(RUNS, [
      ...entries.map(runRow),
      ['**all**', '', '', '', entries.reduce((sum, { cycles }) => sum + cycles.length, 0), ...totals, '', '', '', ''],
    ]),
    table(['backend', 'target', 'times', 'p50', 'p95', 'max', 'goal, ms'], adapters.flatMap(targetRows)),
    table(
      ['backend', 'fault', 'times', 'first start', 'all started', 'takeover', 'nothing accepted'],
      adapters.flatMap(recoveryRows),
    ),
  ].join('\n\n')}\n`,
)
