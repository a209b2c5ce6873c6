/**
 * `npm run demo`: 20,000 real flights through three consumers, on the backend that `MESSAGE_BUS` names, every figure checked.
 * Owns the process: environment, signals, exit code.
 */
import { isBusError } from '../../src/index.js' // busbar
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
  const signal = interruption()
  const { MESSAGE_BUS: backend = 'memory' } = process.env
  const unset = process.env.MESSAGE_BUS === undefined
  output.line(unset ? 'MESSAGE_BUS is not set: using memory' : `MESSAGE_BUS is ${backend}`)
  const flights = await loadFlights()
  // busbar warns of each dead letter; here they are expected, and listed at the end.
  await using bus = await busFromEnv({ BUSBAR_LOG: 'error', ...process.env, MESSAGE_BUS: backend }, { streams })
  return await runDemo({ bus, flights, expected: trueFigures(flights), signal, output })
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
