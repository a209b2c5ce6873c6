/**
 * `npm run demo`: 20,000 real flights through three consumers, on the backend that `MESSAGE_BUS` names, every figure checked.
 * Owns the process: arguments, environment, signals, exit code.
 *
 *     npm run demo -- --flights 4000    only the first so many
 *     npm run demo -- --chaos           on servers of its own that are killed, and so is a worker process: with MESSAGE_BUS=nats
 *                                     NATS; with MESSAGE_BUS=dual also PostgreSQL, and all that JetStream has stored is deleted
 *     npm run demo -- --order none      must fail: the statistics need the order
 */
import { parseArgs } from 'node:util'
import { BusError, isBusError } from '../../src/index.js' // busbar
import { busFromEnv } from '../../wiring/env.js' // busbar/env
import { streams } from './consumers.js'
import { loadFlights } from './data.js'
import { runDemo } from './demo.js'
import { terminalOutput } from './report.js'
import { trueFigures } from './truth.js'

// npm and tsx pass Ctrl-C on to a process that has already received it from the terminal: that is one signal, not two.
const SAME_SIGNAL_MS = 400
/** EX_CONFIG of sysexits.h, as the CLI of busbar uses it. */
const EXIT_CONFIG = 78

const output = terminalOutput(process.stdout)

async function main(): Promise<number> {
  const { chaos, count, order } = readArguments()
  const signal = interruption()
  const { MESSAGE_BUS: backend = 'memory' } = process.env
  const unset = process.env.MESSAGE_BUS === undefined
  output.line(unset ? 'MESSAGE_BUS is not set: using memory' : `MESSAGE_BUS is ${backend}`)
  const flights = (await loadFlights()).slice(0, count)
  const demo = { flights, expected: trueFigures(flights), signal, output, order }
  if (chaos) {
    if (backend !== 'nats' && backend !== 'dual')
      throw misused('--chaos kills servers, and this backend has none. Set MESSAGE_BUS=nats or MESSAGE_BUS=dual')
    // Loaded only here: it brings backends of its own.
    return await (await import('./chaos.js')).runChaos(backend, demo)
  }
  // busbar warns of each dead letter; here they are expected, and listed at the end.
  await using bus = await busFromEnv({ BUSBAR_LOG: 'error', ...process.env, MESSAGE_BUS: backend }, { streams })
  return await runDemo({ ...demo, bus })
}

function readArguments() {
  const options = { chaos: { type: 'boolean' }, flights: { type: 'string' }, order: { type: 'string' } } as const
  try {
    const { chaos = false, flights, order = 'key' } = parseArgs({ options }).values
    const count = flights === undefined ? undefined : Number(flights)
    if (count !== undefined && !(Number.isInteger(count) && count > 0)) throw misused('--flights takes a whole number')
    if (order !== 'key' && order !== 'none') throw misused('--order takes "key" or "none"')
    return { chaos, count, order } as const
  } catch (thrown) {
    throw isBusError(thrown) ? thrown : misused(thrown instanceof Error ? thrown.message : String(thrown))
  }
}

function misused(problem: string): BusError {
  return new BusError('BUS_CONFIG', `[demo] ${problem}`)
}

/** Aborts on the first Ctrl-C or SIGTERM; a second one ends the process at once. */
function interruption(): AbortSignal {
  const controller = new AbortController()
  let firstAt: number | undefined
  const onSignal = () => {
    if (firstAt !== undefined && performance.now() - firstAt > SAME_SIGNAL_MS) process.exit(130)
    if (firstAt !== undefined) return
    firstAt = performance.now()
    output.line('Stopping; once more ends at once.')
    controller.abort()
  }
  process.on('SIGINT', onSignal)
  process.on('SIGTERM', onSignal)
  return controller.signal
}

try {
  process.exitCode = await main()
} catch (error) {
  console.error(isBusError(error) ? error.message : error)
  process.exitCode = isBusError(error, 'BUS_CONFIG') ? EXIT_CONFIG : 1
}
