/** `busbar/env`: from an environment to a connected bus. The chosen backend is loaded, and no other. */
import { ADAPTERS, type AdapterSettings } from '../adapters/index.js'
import type { Adapter } from '../src/adapter.js'
import { createBus } from '../src/bus.js'
import type { BusDefaults } from '../src/bus-options.js'
import type { Clock } from '../src/clock.js'
import { BusError } from '../src/errors.js'
import { jsonLogger, type Logger, silentLogger } from '../src/logger.js'
import type { MessageBus } from '../src/message-bus.js'
import type { StreamDefinition } from '../src/topology.js'
import { type Config, type Environment, parseConfig } from './config.js'

export { type Config, ConfigError, type Environment, parseConfig } from './config.js'

export interface EnvOptions {
  readonly streams?: readonly StreamDefinition[]
  /** Default: JSON lines on stderr, from the level of `BUSBAR_LOG` (`warn`) up. */
  readonly logger?: Logger
  readonly clock?: Clock
}

/** A connected bus on the backend that `MESSAGE_BUS` names. Throws `ConfigError` with every problem of the environment. */
export async function busFromEnv(env: Environment, options: EnvOptions = {}): Promise<MessageBus> {
  return openBus(parseConfig(env), options)
}

/** Rejects with `BUS_CONFIG` when the backend's settings contradict each other, or its client library is not installed. */
export async function createAdapter(config: Config): Promise<Adapter> {
  try {
    return await ADAPTERS[config.messageBus]({ nats: natsOptions(config), dual: dualOptions(config) })
  } catch (thrown) {
    const [, missing] = /Cannot find package '([^']+)'/.exec(thrown instanceof Error ? thrown.message : '') ?? []
    if (missing === undefined) throw thrown
    const problem = `MESSAGE_BUS=${config.messageBus} needs package ${missing}, which is not installed`
    throw new BusError('BUS_CONFIG', `[config] ${problem}. Run: npm install ${missing}`, { cause: thrown })
  }
}

function natsOptions(config: Config): AdapterSettings['nats'] {
  const tls = defined({
    ca: config.get('NATS_TLS_CA'),
    cert: config.get('NATS_TLS_CERT'),
    key: config.get('NATS_TLS_KEY'),
  })
  return defined({
    servers: config.get('NATS_URL'),
    user: config.get('NATS_USER'),
    password: config.get('NATS_PASSWORD'),
    token: config.get('NATS_TOKEN'),
    credentialsFile: config.get('NATS_CREDS'),
    nkeySeedFile: config.get('NATS_NKEY_SEED_FILE'),
    tls: Object.keys(tls).length > 0 ? tls : undefined,
    allowInsecure: config.get('NATS_ALLOW_INSECURE'),
    inboxPrefix: config.get('NATS_INBOX_PREFIX'),
    syncInterval: config.get('NATS_SYNC_INTERVAL'),
    monitorUrl: config.get('NATS_MONITOR_URL'),
  })
}

/** Of the ledger, whichever backend is chosen: `busbar migrate` asks for them too. */
export function dualOptions(config: Config): AdapterSettings['dual'] {
  return {
    inner: config.get('BUSBAR_DUAL_INNER') ?? 'nats',
    connection: config.get('DATABASE_URL') ?? '',
    ...defined({
      schema: config.get('BUSBAR_SCHEMA'),
      migrate: config.get('BUSBAR_MIGRATE'),
      pooler: config.get('BUSBAR_POOLER'),
    }),
  }
}

/** @param adapter default: the one that the configuration names */
export async function openBus(config: Config, options: EnvOptions = {}, adapter?: Adapter): Promise<MessageBus> {
  const bus = createBus({
    adapter: adapter ?? (await createAdapter(config)),
    streams: options.streams ?? defaultStreams(config),
    logger: options.logger ?? loggerOf(config),
    strict: config.get('BUSBAR_STRICT') ?? false,
    defaults: defaultsOf(config),
    ...(options.clock === undefined ? {} : { clock: options.clock }),
  })
  await bus.connect()
  return bus
}

/** Without declared streams, `NATS_STREAM_NAME` gives one stream with the subjects below its own name. */
function defaultStreams(config: Config): readonly StreamDefinition[] {
  const name = config.get('NATS_STREAM_NAME')
  return name === undefined ? [] : [{ name, subjects: [`${name}.>`] }]
}

function defaultsOf(config: Config): BusDefaults {
  const attempts = config.get('BUSBAR_RETRY_ATTEMPTS')
  return {
    stream: defined({
      maxMessages: config.get('NATS_MAX_MSGS'),
      maxAge: config.get('NATS_MAX_AGE'),
      replicas: config.get('NATS_REPLICAS'),
    }),
    pool: defined({
      concurrency: config.get('BUSBAR_CONCURRENCY'),
      dedup: config.get('BUSBAR_DEDUP_WINDOW'),
      retry: attempts === undefined ? undefined : { attempts },
    }),
    shutdownWithin: config.shutdownWithinMs,
    ...defined({ ackWait: config.get('BUSBAR_ACK_WAIT') }),
  }
}

function loggerOf(config: Config): Logger {
  const level = config.get('BUSBAR_LOG') ?? 'warn'
  return level === 'silent' ? silentLogger : jsonLogger((line) => process.stderr.write(config.hide(line)), level)
}

type Defined<Fields> = { [Name in keyof Fields]?: Exclude<Fields[Name], undefined> }

/** Leaves out what is undefined, so that it cannot overrule a default. */
function defined<Fields extends object>(fields: Fields): Defined<Fields> {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as Defined<Fields>
}
