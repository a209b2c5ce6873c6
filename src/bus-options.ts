/** What a bus is made of, with every default written once and every bad option refused before anything is opened. */
import type { Adapter } from './adapter.js'
import { type Clock, systemClock } from './clock.js'
import { type Duration, durationMs, invalid } from './duration.js'
import { BusError } from './errors.js'
import { type Logger, silentLogger } from './logger.js'
import { match } from './subject.js'
import { type ResolvedStream, resolveStreams, type StreamDefinition } from './topology.js'
import type { PoolOptions } from './worker-pool-options.js'

export interface BusOptions {
  readonly adapter: Adapter
  /** Streams that `connect()` creates or updates. A stream `dead` for dead letters is added unless one of these takes `dead.…`. */
  readonly streams?: readonly StreamDefinition[]
  /** Default: the system's. */
  readonly clock?: Clock
  /** Default: silent. */
  readonly logger?: Logger
  /** Uniform in [0, 1); for jitter. Default `Math.random`. */
  readonly random?: () => number
  /** Refuse to start when a stream says `storage: 'file'` or more than one replica, and the backend does not outlive the process. Default false. */
  readonly strict?: boolean
  readonly defaults?: BusDefaults
}

export interface BusDefaults {
  /** For every pool that does not say otherwise. */
  readonly pool?: Omit<PoolOptions, 'deadLetter'>
  /** For every consumer that does not say otherwise. */
  readonly ackWait?: Duration
  /** For `pool.stop()` and `bus.close()`. Default `'20s'`. */
  readonly shutdownWithin?: Duration
}

export interface ResolvedBus {
  readonly adapter: Adapter
  readonly streams: readonly ResolvedStream[]
  readonly clock: Clock
  readonly logger: Logger
  readonly random: () => number
  readonly defaults: BusDefaults
  readonly shutdownMs: number
}

const DEAD_STREAM: StreamDefinition = { name: 'dead', subjects: ['dead.>'], maxMessageBytes: 64 * 1024 * 1024 }

export function resolveBus(options: BusOptions): ResolvedBus {
  if (typeof options?.adapter?.publish !== 'function')
    throw invalid('adapter', options?.adapter, "an adapter, such as memory() from 'busbar/memory'")
  const { adapter, clock = systemClock, logger = silentLogger, random = Math.random, defaults = {} } = options
  const declared = options.streams ?? []
  const streams = resolveStreams(declared)
  if (options.strict === true) assertDurable(adapter, declared)
  const takesDead = streams.some((stream) => stream.subjects.some((pattern) => match(pattern, 'dead.letter')))
  return {
    adapter,
    streams: takesDead ? streams : resolveStreams([...declared, DEAD_STREAM]),
    clock,
    logger,
    random,
    defaults,
    shutdownMs: durationMs('shutdownWithin', defaults.shutdownWithin ?? '20s'),
  }
}

function assertDurable(adapter: Adapter, declared: readonly StreamDefinition[]): void {
  if (adapter.supports.durability !== 'process') return
  const durable = declared.find((stream) => stream.storage === 'file' || (stream.replicas ?? 1) > 1)
  if (durable === undefined) return
  throw new BusError(
    'BUS_CONFIG',
    `[${adapter.name}] stream ${durable.name} asks to outlive the process (storage "file" or replicas), which this backend cannot do. Choose another backend, or storage "memory"`,
  )
}
