/**
 * What the commands about the ledger share: which streams there are to ask about, and a bus that declares them as they are and compares
 * nothing by itself. Opening it makes an inner stream that is gone, empty, and relays what no living process owns, as every bus does.
 */
import { BusError } from '../../src/errors.js'
import type { MessageBus } from '../../src/message-bus.js'
import type { StreamDefinition } from '../../src/topology.js'
import { type Config, type Environment, parseConfig } from '../config.js'
import { createAdapter, dualOptions, openBus } from '../env.js'

export interface OpenLedger extends AsyncDisposable {
  readonly bus: MessageBus
  /** Names of the streams to be looked at. */
  readonly streams: readonly string[]
}

/** Throws `BUS_CONFIG` when the configured backend has no ledger. */
export function ledgerConfig(env: Environment): Config {
  const config = parseConfig(env)
  if (config.messageBus === 'dual') return config
  throw new BusError('BUS_CONFIG', `[config] MESSAGE_BUS=${config.messageBus} has no ledger. Set MESSAGE_BUS=dual`)
}

/** @param only default: every stream of the ledger. Throws `BUS_NOT_FOUND` when the ledger does not have it. */
export async function openLedger(env: Environment, only: string | undefined): Promise<OpenLedger> {
  const config = ledgerConfig(env)
  const settings = dualOptions(config)
  const inner = await createAdapter(parseConfig({ ...env, MESSAGE_BUS: settings.inner }))
  const { dual } = await import('../../adapters/dual/index.js')
  const { declaredStreams } = await import('../../adapters/dual/declared-streams.js')
  const options = { ...settings, inner, compareEvery: 0 }
  const declared = await declaredStreams(options)
  const streams = only === undefined ? declared.map(({ name }) => name) : [nameAmong(declared, only)]
  const bus = await openBus(config, { streams: declared }, dual(options))
  return { bus, streams, [Symbol.asyncDispose]: () => bus[Symbol.asyncDispose]() }
}

function nameAmong(declared: readonly StreamDefinition[], name: string): string {
  if (declared.some((stream) => stream.name === name)) return name
  const known = declared.map((stream) => stream.name).join(', ')
  throw new BusError('BUS_NOT_FOUND', `[cli] the ledger has no stream ${name}. It has: ${known || 'none'}`)
}
