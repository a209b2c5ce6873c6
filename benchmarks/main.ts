/**
 * `npm run bench`: contenders side by side in one run, ratios against the goals. Only the ratios mean something on a shared machine.
 */
import { parseArgs } from 'node:util'
import type { Contender } from './contender.js'
import { contenders } from './contenders/index.js'
import { stopPostgres } from './ledgers.js'
import { describe, report } from './report.js'
import { type Plan, runRounds } from './rounds.js'
import { stopServers } from './servers.js'

const HELP = `npm run bench -- [options]
  --rounds <n>     rounds, each with a turn for every contender (default 5)
  --seconds <s>    timed seconds of a turn, at least (default 1)
  --messages <n>   messages of a run (default 50,000)
  --backlog <n>    messages of the large backlog (default 1,000,000)
  --only <names>   comma-separated, each a name, or the beginning of several with its dash, such as nats-publish-:
                   ${contenders.map((contender) => contender.name).join(', ')}
  --quick          a smoke run: tiny figures that prove nothing but that everything runs
  --json           one JSON object on standard output
  --help           this text`

const FULL: Plan = { rounds: 5, seconds: 1, messages: 50_000, backlog: 1_000_000 }
const QUICK: Plan = { rounds: 2, seconds: 0, messages: 2_000, backlog: 20_000 }
const EXIT_USAGE = 2

class UsageError extends Error {}

async function main(args: readonly string[]): Promise<void> {
  const { values } = parseArguments(args)
  if (values.help) return console.log(HELP)
  const fallback = values.quick ? QUICK : FULL
  const plan: Plan = {
    rounds: number('rounds', values.rounds, fallback.rounds, 1),
    seconds: number('seconds', values.seconds, fallback.seconds, 0),
    messages: number('messages', values.messages, fallback.messages, 1),
    backlog: number('backlog', values.backlog, fallback.backlog, 1),
  }
  const rows = await runRounds(chosen(values.only), plan, (done, of) => {
    if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${done === of ? '' : `turn ${done} of ${of}`}`)
  })
  const result = report(rows, plan)
  if (values.json) return console.log(JSON.stringify(result))
  if (values.quick) console.log('A smoke run: these figures say nothing about speed.')
  for (const line of describe(result)) console.log(line)
}

function parseArguments(args: readonly string[]) {
  const text = { type: 'string' } as const
  const flag = { type: 'boolean', default: false } as const
  const options = {
    rounds: text,
    seconds: text,
    messages: text,
    backlog: text,
    only: text,
    quick: flag,
    json: flag,
    help: flag,
  }
  try {
    return parseArgs({ args: [...args], options })
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error))
  }
}

function number(name: string, given: string | undefined, fallback: number, min: number): number {
  if (given === undefined) return fallback
  const value = Number(given)
  const whole = name === 'seconds' || Number.isSafeInteger(value)
  if (given === '' || !Number.isFinite(value) || value < min || !whole)
    throw new UsageError(`--${name} ${given}: give a number, at least ${min}`)
  return value
}

function chosen(only: string | undefined): readonly Contender[] {
  if (only === undefined) return contenders
  const names = only.split(',')
  const isCalled = (contender: Contender, name: string): boolean =>
    name.endsWith('-') ? `${contender.name}-`.startsWith(name) : contender.name === name
  const unknown = names.find((name) => !contenders.some((contender) => isCalled(contender, name)))
  if (unknown !== undefined)
    throw new UsageError(`--only ${unknown}: choose from ${contenders.map((contender) => contender.name).join(', ')}`)
  return contenders.filter((contender) => names.some((name) => isCalled(contender, name)))
}

try {
  await main(process.argv.slice(2))
} catch (error) {
  console.error(error instanceof UsageError ? error.message : error)
  process.exitCode = error instanceof UsageError ? EXIT_USAGE : 1
} finally {
  await stopServers()
  await stopPostgres()
}
