/**
 * A pool's options with every default written once, checked before anything starts; and what a pool needs from its bus.
 */
import type { Adapter, Delivery } from './adapter.js'
import type { Clock } from './clock.js'
import { durationMs, invalid, wholeNumber } from './duration.js'
import type { Failure } from './failure-log.js'
import type { Logger } from './logger.js'
import type { DeadReason, RetryPolicy } from './retry.js'
import { resolveRetry } from './retry.js'
import { checkSubject } from './subject.js'
import type { ResolvedConsumer } from './topology.js'
import type { Begun } from './transaction.js'
import type { BatchPoolOptions, PoolOptions } from './worker-pool-options.js'

export interface PoolSettings {
  readonly consumer: ResolvedConsumer
  readonly concurrency: number
  readonly prefetch: PrefetchSettings
  /** 0: no limit. */
  readonly timeoutMs: number
  readonly retry: RetryPolicy
  readonly dedupMs: number
  readonly deadLetter: string
  /** Messages in a handler call at most; 1 unless it is a batch handler. */
  readonly batchSize: number
  readonly batchWithinMs: number
  /** Default for `stop()`. */
  readonly stopWithinMs: number
}

/** How many deliveries are held ready; both the same when the options say how many. */
export interface PrefetchSettings {
  readonly least: number
  readonly most: number
}

export interface PoolHost {
  readonly adapter: Adapter
  readonly clock: Clock
  readonly logger: Logger
  /** Uniform in [0, 1). */
  readonly random: () => number
  /** Stores a dead letter; resolves once it is accepted. */
  readonly bury: (failure: Failure, reason: DeadReason, settings: PoolSettings, delivery: Delivery) => Promise<void>
  /** A transaction that settles the deliveries. Throws `BUS_UNSUPPORTED`. */
  readonly begin: (deliveries: readonly Delivery[]) => Begun
  /** The pool holds nothing and starts nothing any more. */
  readonly onStopped: () => void
}

const MAX_CONCURRENCY = 10_000
/** Times as many as run: so many may be held ready by handlers that are fast enough. What is held is handed out again after a kill. */
const PREFETCH_GROWTH = 8
/** Of what may be unsettled of a consumer: other processes shall have their part. */
const PREFETCH_SHARE = 0.25

export function resolvePool(
  consumer: ResolvedConsumer,
  options: PoolOptions & Partial<BatchPoolOptions>,
  stopWithinMs: number,
): PoolSettings {
  const concurrency = wholeNumber('concurrency', options.concurrency ?? 16, 1, MAX_CONCURRENCY)
  const { size: batchSize, withinMs: batchWithinMs } = resolveBatch(options.batch)
  return {
    consumer,
    concurrency,
    prefetch: resolvePrefetch(options.prefetch, concurrency, batchSize, consumer.maxInFlight),
    timeoutMs: durationMs('timeout', options.timeout ?? '30s'),
    retry: resolveRetry(options.retry),
    dedupMs: durationMs('dedup', options.dedup ?? '2m'),
    deadLetter: checkSubject(options.deadLetter ?? `dead.${consumer.name}`),
    batchSize,
    batchWithinMs,
    stopWithinMs,
  }
}

function resolvePrefetch(
  prefetch: number | undefined,
  concurrency: number,
  batchSize: number,
  maxInFlight: number,
): PrefetchSettings {
  const running = concurrency * batchSize
  if (prefetch !== undefined) {
    const fixed = wholeNumber('prefetch', prefetch, 0, MAX_CONCURRENCY * batchSize)
    return { least: fixed, most: fixed }
  }
  const most = Math.min(PREFETCH_GROWTH * running, Math.floor(PREFETCH_SHARE * maxInFlight))
  return { least: running, most: Math.max(running, most) }
}

function resolveBatch(batch: BatchPoolOptions['batch'] | undefined): { size: number; withinMs: number } {
  if (batch === undefined) return { size: 1, withinMs: 0 }
  if (typeof batch !== 'object' || batch === null) throw invalid('batch', batch, '{ size, within }')
  return {
    size: wholeNumber('batch.size', batch.size, 1, MAX_CONCURRENCY),
    withinMs: durationMs('batch.within', batch.within ?? '50ms'),
  }
}
