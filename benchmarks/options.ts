/** What a run is told on its command line: every option with its default, and what is refused with the remedy before anything is measured. */
import { existsSync, readFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { parseArgs } from 'node:util'
import { type Beside, type Contender, type Group, groups, groupsOf, PAYLOAD_BYTES, PAYLOADS } from './contender.js'
import { goals } from './goals.js'
import type { Report } from './report.js'
import type { Entry, Plan } from './rounds.js'

const BACKENDS: readonly Beside[] = ['memory', 'nats', 'dual']
const LARGEST = PAYLOADS[3]

const FULL: Plan = { rounds: 5, seconds: 1, messages: 50_000, backlog: 1_000_000, warmUp: true, resident: true }
const QUICK: Plan = { rounds: 1, seconds: 0, messages: 300, backlog: 3_000, warmUp: false, resident: false }

export class UsageError extends Error {}

export interface Options {
  readonly plan: Plan
  readonly entries: readonly Entry[]
  readonly isQuick: boolean
  /** Every contender that a goal speaks of, and no other. */
  readonly isOfGoals: boolean
  /** Paths. `json` may be `-`: standard output. */
  readonly json: string | undefined
  readonly markdown: string | undefined
  readonly svg: string | undefined
  /** The earlier run. */
  readonly before: Report | undefined
}

const text = { type: 'string' } as const
const flag = { type: 'boolean', default: false } as const
const OPTIONS = {
  adapter: text,
  group: text,
  only: text,
  goals: flag,
  size: text,
  rounds: text,
  seconds: text,
  messages: text,
  backlog: text,
  resident: flag,
  quick: flag,
  json: text,
  compare: text,
  markdown: text,
  svg: text,
  help: flag,
} as const

export function help(contenders: readonly Contender[]): string {
  const lines = Object.entries(groups).map(([name, what]) => `                     ${name.padEnd(12)} ${what}`)
  return `npm run bench -- [options]
what
  --adapter <names>  ${BACKENDS.join(', ')}; several with commas. Default: all, each with what it is compared with
  --group <names>    a part of a full run; several with commas. Default: all
${lines.join('\n')}
  --only <names>     comma-separated, each a name, or the beginning of several with its dash, such as nats-publish-:
                     ${contenders.map(({ name }) => name).join(', ')}
  --goals            every contender that a goal speaks of, so that all goals are held against one run
  --size <bytes>     payloads, ${PAYLOAD_BYTES} to ${LARGEST}; several with commas. Default: ${PAYLOAD_BYTES}, and in the group sizes all four
how long
  --rounds <n>       rounds, each with a turn for every contender (default ${FULL.rounds})
  --seconds <s>      timed seconds of a turn, at least (default ${FULL.seconds})
  --messages <n>     messages of an ordinary run (default ${FULL.messages})
  --backlog <n>      messages of the large backlog (default ${FULL.backlog})
  --quick            a smoke run: tiny figures that prove nothing but that everything runs. No warm-up, and no memory
  --resident         measures memory in a smoke run, too: one more run of each contender, in a process of its own
what becomes of it
  --json <file>      the whole report; - for standard output, and nothing else there
  --compare <file>   an earlier --json: what is beyond its noise is marked
  --markdown <file>  writes tables between the markers of that file, such as docs/benchmarks.md; whole groups only
  --svg <file>       a chart
  --help             this text`
}

/** @returns undefined when help is wanted. @throws UsageError */
export function readOptions(args: readonly string[], contenders: readonly Contender[]): Options | undefined {
  const values = parse(args)
  if (values.help) return undefined
  const fallback = values.quick ? QUICK : FULL
  const { json, markdown, svg } = values
  for (const [name, file] of Object.entries({ json, markdown, svg })) assertWritable(name, file)
  if (markdown !== undefined) assertWhole(values)
  if (values.goals) assertAlone(values)
  return {
    plan: {
      rounds: number('rounds', values.rounds, fallback.rounds, 1),
      seconds: number('seconds', values.seconds, fallback.seconds, 0),
      messages: number('messages', values.messages, fallback.messages, 1),
      backlog: number('backlog', values.backlog, fallback.backlog, 1),
      warmUp: fallback.warmUp,
      resident: values.resident || fallback.resident,
    },
    entries: choose(contenders, values),
    isQuick: values.quick,
    isOfGoals: values.goals,
    json,
    markdown,
    svg,
    before: values.compare === undefined ? undefined : earlier(values.compare),
  }
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({ args: [...args], options: OPTIONS }).values
  } catch (error) {
    throw new UsageError(`${error instanceof Error ? error.message : String(error)}. See --help`)
  }
}

function number(name: string, given: string | undefined, fallback: number, min: number, max = Infinity): number {
  if (given === undefined) return fallback
  const value = Number(given)
  const whole = name === 'seconds' || Number.isSafeInteger(value)
  if (given === '' || !Number.isFinite(value) || value < min || value > max || !whole) {
    const kind = name === 'seconds' ? 'a number' : 'a whole number'
    throw new UsageError(
      `--${name} ${given}: give ${kind}, at least ${min}${max === Infinity ? '' : ` and at most ${max}`}`,
    )
  }
  return value
}

interface Choice {
  readonly adapter?: string | undefined
  readonly group?: string | undefined
  readonly only?: string | undefined
  readonly size?: string | undefined
  readonly goals: boolean
  readonly quick: boolean
}

function choose(contenders: readonly Contender[], choice: Choice): readonly Entry[] {
  const { adapter, group, only, size, quick } = choice
  if (choice.goals) return ofGoals(contenders)
  const backends = adapter === undefined ? BACKENDS : listed('adapter', adapter, BACKENDS)
  const chosenGroups = group === undefined ? undefined : listed('group', group, Object.keys(groups) as Group[])
  const isNamed = only === undefined ? () => true : namesOf(contenders, only)
  const sizes = size?.split(',').map((each) => number('size', each, 0, PAYLOAD_BYTES, LARGEST))
  // Whoever asks for names without a size wants to compare these, not their sizes.
  const isFull = only === undefined && chosenGroups === undefined
  const entries = contenders
    .filter((contender) => backends.includes(contender.beside) && isNamed(contender))
    .filter(
      (contender) => chosenGroups === undefined || groupsOf(contender).some((each) => chosenGroups.includes(each)),
    )
    .flatMap((contender) => {
      const all = isFull || chosenGroups?.includes('sizes') ? payloadsOf(contender, quick) : undefined
      const payloads = contender.isWithoutPayload ? [PAYLOAD_BYTES] : (sizes ?? all ?? [PAYLOAD_BYTES])
      return payloads.map((payloadBytes) => ({ contender, payloadBytes }))
    })
  if (entries.length > 0) return entries
  throw new UsageError('no contender is in all of --adapter, --group and --only: leave one of them out')
}

function ofGoals(contenders: readonly Contender[]): readonly Entry[] {
  const names = new Set(goals.flatMap((goal) => [goal.contender, goal.to]))
  return contenders
    .filter(({ name }) => names.has(name))
    .map((contender) => ({ contender, payloadBytes: PAYLOAD_BYTES }))
}

/** Of a smoke run: the smallest and the largest. */
function payloadsOf({ payloads }: Contender, isQuick: boolean): readonly number[] | undefined {
  return isQuick ? payloads?.filter((_, at) => at === 0 || at === payloads.length - 1) : payloads
}

function listed<Name extends string>(option: string, given: string, known: readonly Name[]): readonly Name[] {
  return given.split(',').map((name) => {
    const found = known.find((each) => each === name)
    if (found === undefined) throw new UsageError(`--${option} ${name}: choose from ${known.join(', ')}`)
    return found
  })
}

function namesOf(contenders: readonly Contender[], only: string): (contender: Contender) => boolean {
  const names = only.split(',')
  const isCalled = (contender: Contender, name: string): boolean =>
    name.endsWith('-') ? `${contender.name}-`.startsWith(name) : contender.name === name
  const unknown = names.find((name) => !contenders.some((contender) => isCalled(contender, name)))
  if (unknown !== undefined)
    throw new UsageError(`--only ${unknown}: choose from ${contenders.map(({ name }) => name).join(', ')}`)
  return (contender) => names.some((name) => isCalled(contender, name))
}

function assertWritable(option: string, file: string | undefined): void {
  if (file === undefined || file === '-') return
  const folder = dirname(file)
  if (!existsSync(folder)) throw new UsageError(`--${option} ${file}: there is no folder ${folder}: make it first`)
}

function assertWhole({
  quick,
  only,
  size,
}: {
  quick: boolean
  only?: string | undefined
  size?: string | undefined
}): void {
  if (quick) throw new UsageError('--markdown: figures of a smoke run are not for keeping: leave --quick out')
  if (only !== undefined || size !== undefined)
    throw new UsageError('--markdown: it writes whole groups: choose with --group and --adapter, not --only or --size')
}

function earlier(file: string): Report {
  const refuse = (problem: string): UsageError =>
    new UsageError(`--compare ${file}: ${problem}: give a file that --json of this version wrote`)
  try {
    const report: Partial<Report> | null = JSON.parse(readFileSync(file, 'utf8'))
    if (!Array.isArray(report?.rows) || !Array.isArray(report.ratios)) throw refuse('not a report')
    return report as Report
  } catch (error) {
    if (error instanceof UsageError) throw error
    throw refuse(error instanceof SyntaxError ? 'not JSON' : 'cannot be read')
  }
}

function assertAlone({ adapter, group, only, size }: Choice): void {
  if (adapter !== undefined || group !== undefined || only !== undefined || size !== undefined)
    throw new UsageError('--goals: it chooses by itself: leave --adapter, --group, --only and --size out')
}
