/** What `npm run faults` is told on its command line, and what it refuses with the remedy before a server is started. */
import { parseArgs } from 'node:util'
import { FAULTS } from './faults/index.js'
import { faultsOf } from './plans.js'
import type { RunPlan } from './run.js'

const ADAPTERS: readonly RunPlan['adapter'][] = ['memory', 'nats', 'dual']

export class UsageError extends Error {}

export interface Options {
  readonly size: 'quick' | 'regressions' | 'random' | 'long' | 'chosen'
  readonly adapter: RunPlan['adapter']
  /** Of a long or random run. */
  readonly minutes: number
  readonly seed: number
  /** Messages a second of all producers together. */
  readonly rate: number
  /** Of a chosen run, in order. */
  readonly codes: readonly string[]
  readonly world: Pick<RunPlan, 'nodes' | 'syncInterval'>
  readonly controls: boolean
  readonly chart: boolean
  readonly folder: string
}

export const HELP = `npm run faults -- [options]
what
  --quick             every adapter with its common faults, about 80 seconds; part of CI
  --minutes <n>       phase after phase for about that long: each world with every fault that fits it
  --random            one to three faults at a time, drawn from the seed, for --adapter nats or dual; --minutes says how long (default 1)
  --regressions       the seeds that have failed before
  --only <codes>      chosen faults of one adapter, once each, in that order. Default: all that are for it
  --controls          the positive controls as well: what others lose. Linux and root
how
  --adapter <name>    ${ADAPTERS.join(', ')} (default dual)
  --seed <n>          the same number chooses the same faults, not the same moments (default 1)
  --rate <n>          messages a second (default 300)
  --sync <interval>   of nats-server: always, or a duration such as 2m. Default: the server's own, two minutes
  --nodes <1 or 3>    servers of the cluster (default 1)
what becomes of it
  faults-report.json  the report of all runs; the table is printed
  --folder <path>     histories, kept of runs that did not pass (default .cache/faults)
  --chart             draws docs/loss.svg
  --help              this text
faults
${FAULTS.map(({ code, adapters, title }) => `  ${code.padEnd(6)} ${adapters.join(' ').padEnd(17)} ${title}`).join('\n')}`

/** @returns undefined when help is wanted. @throws UsageError */
export function readOptions(args: readonly string[]): Options | undefined {
  const values = parse(args)
  if (values.help) return undefined
  const adapter = ADAPTERS.find((name) => name === values.adapter)
  if (adapter === undefined) throw new UsageError(`--adapter ${values.adapter}: choose from ${ADAPTERS.join(', ')}`)
  if (values.random && adapter === 'memory')
    throw new UsageError('--random is for --adapter nats or dual: give one of them')
  if (values.nodes !== '1' && values.nodes !== '3') throw new UsageError(`--nodes ${values.nodes}: give 1 or 3`)
  const { controls, chart, folder } = values
  return {
    ...{ size: sizeOf(values), adapter, controls, chart, folder },
    minutes: number('minutes', values.minutes ?? '1'),
    seed: number('seed', values.seed),
    rate: number('rate', values.rate),
    codes: codesOf(adapter, values.only),
    world: {
      ...(values.sync !== undefined && { syncInterval: values.sync }),
      ...(values.nodes === '3' && { nodes: 3 as const }),
    },
  }
}

function sizeOf(values: ReturnType<typeof parse>): Options['size'] {
  if (values.quick) return 'quick'
  if (values.regressions) return 'regressions'
  if (values.random) return 'random'
  return values.minutes === undefined ? 'chosen' : 'long'
}

function parse(args: readonly string[]) {
  const text = { type: 'string' } as const
  const flag = { type: 'boolean', default: false } as const
  const options = {
    ...{ quick: flag, random: flag, regressions: flag, controls: flag, chart: flag, help: flag },
    ...{ minutes: text, only: text, sync: text },
    seed: { ...text, default: '1' },
    adapter: { ...text, default: 'dual' },
    nodes: { ...text, default: '1' },
    rate: { ...text, default: '300' },
    folder: { ...text, default: '.cache/faults' },
  } as const
  try {
    return parseArgs({ args: [...args], options }).values
  } catch (error) {
    throw new UsageError(`${error instanceof Error ? error.message : String(error)}. See --help`)
  }
}

function number(name: string, given: string): number {
  const value = Number(given)
  if (given.trim() !== '' && Number.isFinite(value) && value > 0) return value
  throw new UsageError(`--${name} ${given}: give a number above 0`)
}

function codesOf(adapter: RunPlan['adapter'], only: string | undefined): readonly string[] {
  const known = faultsOf(adapter).map(({ code }) => code)
  const codes = only?.split(',') ?? known
  const wrong = codes.find((code) => !known.includes(code))
  if (wrong === undefined) return codes
  const fault = FAULTS.find(({ code }) => code === wrong)
  const others = fault === undefined ? '' : `, but for ${fault.adapters.join(' and ')}`
  throw new UsageError(`--only ${wrong}: no fault of ${adapter}${others}. Choose from ${known.join(', ')}`)
}
