/** What a bus is made of, with every default written once and every bad option refused before anything is opened. */
import type { Adapter } from './adapter.js'
import { type Clock, systemClock } from './clock.js'
import { type Duration, durationMs, flagOf, invalid, optionsOf } from './duration.js'
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
  /**
   * Refuse to start when a stream says `storage: 'file'` or more than one replica, and the backend does not outlive the process; or when
   * the backend cannot show that it keeps what its streams ask for. Default false.
   */
  readonly strict?: boolean
  readonly defaults?: BusDefaults
}

export interface BusDefaults {
  /**
   * For every stream that does not say otherwise, the stream `dead` included that is added for dead letters. Declare that one yourself to
   * keep them longer than the rest.
   */
  readonly stream?: Partial<Omit<StreamDefinition, 'name' | 'subjects'>>
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
  readonly strict: boolean
  readonly defaults: BusDefaults
  readonly shutdownMs: number
}

/** Whatever the defaults say, it does not drop dead letters to make room, nor because nobody consumes them. */
const DEAD_STREAM: StreamDefinition = {
  name: 'dead',
  subjects: ['dead.>'],
  retention: 'limits',
  discard: 'new',
  maxMessageBytes: 64 * 1024 * 1024,
}

export function resolveBus(options: BusOptions): ResolvedBus {
  if (typeof options?.adapter?.publish !== 'function')
    throw invalid('adapter', options?.adapter, "an adapter, such as memory() from 'busbar/memory'")
  const { adapter, clock = systemClock, logger = silentLogger, random = Math.random } = options
  const defaults = optionsOf('defaults', options.defaults)
  const ofStreams = optionsOf('defaults.stream', defaults.stream)
  // Here, because a bad one would be found at the first consumer only, or not at all.
  optionsOf('defaults.pool', defaults.pool)
  const strict = flagOf('strict', options.strict ?? false)
  checkLent(options)
  const declared = options.streams ?? []
  const takesDead = resolveStreams(declared).some(({ subjects }) => subjects.some((at) => match(at, 'dead.letter')))
  const streams = (takesDead ? declared : [...declared, DEAD_STREAM]).map((own) => ({ ...ofStreams, ...own }))
  if (strict) assertDurable(adapter, streams)
  return {
    adapter,
    streams: resolveStreams(streams),
    clock,
    logger,
    random,
    strict,
    defaults,
    shutdownMs: durationMs('shutdownWithin', defaults.shutdownWithin ?? '20s'),
  }
}

/** What is lent to the bus can at least be called. */
function checkLent({ clock, logger, random }: BusOptions): void {
  if (clock !== undefined && typeof clock?.timer !== 'function') throw invalid('clock', clock, 'a Clock')
  if (logger !== undefined && typeof logger?.log !== 'function')
    throw invalid('logger', logger, 'a Logger, such as jsonLogger(process.stdout.write)')
  if (random !== undefined && typeof random !== 'function') throw invalid('random', random, 'a function')
}

function assertDurable(adapter: Adapter, streams: readonly StreamDefinition[]): void {
  if (adapter.supports.durability !== 'process') return
  const durable = streams.find((stream) => stream.storage === 'file' || (stream.replicas ?? 1) > 1)
  if (durable === undefined) return
  throw new BusError(
    'BUS_CONFIG',
    `[${adapter.name}] stream ${durable.name} asks to outlive the process (storage "file" or replicas), which this backend cannot do. Choose another backend, or storage "memory"`,
  )
}
