/**
 * `busbar run <module>`: stands up a bus, hands it to the module, and drains it on a signal.
 *
 *     export const streams = [{ name: 'orders', subjects: ['orders.>'] }]
 *     export async function start(bus) { await bus.consume({ name: 'billing', stream: 'orders' }, bill) }
 *
 * `streams` may be left out. A `start` that fails ends the run with exit code 1, after what it had started was drained.
 */
import { resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { BusError } from '../../src/errors.js'
import type { MessageBus } from '../../src/message-bus.js'
import type { StreamDefinition } from '../../src/topology.js'
import type { StopReport } from '../../src/worker-pool-options.js'
import { parseConfig } from '../config.js'
import { openBus } from '../env.js'
import { type EndSignal, type SignalSource, untilSignal } from '../shutdown.js'
import { EXIT, type Terminal } from './terminal.js'

export interface CliProcess extends SignalSource {
  readonly env: Readonly<Record<string, string | undefined>>
}

interface WorkerModule {
  readonly streams?: readonly StreamDefinition[]
  readonly start: (bus: MessageBus) => unknown
}

export async function run(path: string, host: CliProcess, out: Terminal): Promise<number> {
  const config = parseConfig(host.env)
  const { start, ...declared } = await load(path)
  const bus = await openBus(config, declared)
  const stop = (signal: EndSignal | undefined): Promise<StopReport> => {
    const why = signal ?? 'start failed'
    out.line(
      `${why}: draining for at most ${config.shutdownWithinMs} ms; ${signal ?? 'a signal'} once more ends at once`,
    )
    return bus.close()
  }
  // Later, so that the first signal finds its listener in place.
  const work = Promise.resolve(bus).then(start)
  work.then(
    () => out.line(`running on ${config.messageBus}; SIGTERM or Ctrl-C drains and stops`),
    () => {},
  )
  const report = await untilSignal(host, stop, { work })
  out.line(`stopped: ${report.finished} finished, ${report.released} handed back, ${report.aborted} aborted`)
  out.document({ stopped: report })
  return EXIT.done
}

async function load(path: string): Promise<WorkerModule> {
  const module: Readonly<Record<string, unknown>> = await import(pathToFileURL(resolve(path)).href)
  const { streams, start } = module
  if (typeof start !== 'function')
    throw new BusError('BUS_INVALID_OPTION', `[cli] ${path} must export a function start(bus)`)
  if (streams !== undefined && !Array.isArray(streams))
    throw new BusError('BUS_INVALID_OPTION', `[cli] ${path}: the export "streams" must be a list`)
  const run = { start: (bus: MessageBus): unknown => Reflect.apply(start, undefined, [bus]) }
  return streams === undefined ? run : { ...run, streams }
}
