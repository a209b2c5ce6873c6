/**
 * Decides what becomes of a failed attempt. Pure: no clock, no I/O.
 */
import { type Duration, durationMs, invalid, oneOf, wholeNumber } from './duration.js'
import { BusError, NotAcceptedError, Reject, RetryLater } from './errors.js'

export interface RetryOptions {
  /** Attempts in all, the first included, 1 to 1,000. Default 5. */
  readonly attempts?: number
  /** `'exponential'` (default: `base`, doubled each time, up to `max`), or the waits themselves; the last one repeats. */
  readonly backoff?: 'exponential' | readonly Duration[]
  /** First exponential wait. Default `'1s'`. */
  readonly base?: Duration
  /** Longest exponential wait. Default `'5m'`. */
  readonly max?: Duration
  /** Share of the wait that is random, 0 to 1: 0.2 (default) waits 80 to 100 %. */
  readonly jitter?: number
}

export interface RetryPolicy {
  readonly attempts: number
  readonly waitMs: (failedAttempt: number) => number
  readonly jitter: number
}

export type RetryDecision =
  | { readonly kind: 'retry'; readonly delayMs: number }
  | { readonly kind: 'dead'; readonly reason: DeadReason }

/** `rejected`: by the handler. `invalid`: cannot be decoded or does not fit its topic. `exhausted`: no attempt left. */
export type DeadReason = 'rejected' | 'invalid' | 'exhausted'

export function resolveRetry(options: RetryOptions = {}): RetryPolicy {
  if (typeof options !== 'object' || options === null) throw invalid('retry', options, '{ attempts, backoff, … }')
  const attempts = wholeNumber('retry.attempts', options.attempts ?? 5, 1, 1000)
  const jitter = options.jitter ?? 0.2
  if (typeof jitter !== 'number' || !(jitter >= 0 && jitter <= 1))
    throw invalid('retry.jitter', jitter, 'a number from 0 to 1')
  return { attempts, jitter, waitMs: resolveBackoff(options) }
}

function resolveBackoff(options: RetryOptions): (failedAttempt: number) => number {
  const backoff = options.backoff ?? 'exponential'
  if (Array.isArray(backoff)) {
    const waits = backoff.map((wait, at) => durationMs(`retry.backoff[${at}]`, wait))
    if (waits.length === 0) throw invalid('retry.backoff', backoff, "'exponential' or at least one wait")
    return (failedAttempt) => waits[Math.min(failedAttempt, waits.length) - 1] ?? 0
  }
  oneOf('retry.backoff', backoff, ['exponential'])
  const base = durationMs('retry.base', options.base ?? '1s')
  const max = durationMs('retry.max', options.max ?? '5m')
  return (failedAttempt) => Math.min(max, base * 2 ** (failedAttempt - 1))
}

/**
 * @param attempt the attempt that failed, from 1
 * @param random uniform in [0, 1)
 */
export function decide(attempt: number, error: unknown, policy: RetryPolicy, random: () => number): RetryDecision {
  const wish = wishOf(error)
  if (wish === 'reject') return { kind: 'dead', reason: 'rejected' }
  if (wish === 'poison') return { kind: 'dead', reason: 'invalid' }
  if (attempt >= policy.attempts) return { kind: 'dead', reason: 'exhausted' }
  if (typeof wish === 'number') return { kind: 'retry', delayMs: wish }
  const wait = policy.waitMs(attempt)
  return { kind: 'retry', delayMs: wait * (1 - policy.jitter * random()) }
}

/** What the error asks for: a number is ms to wait. Whoever throws an object that cannot even be looked at has failed in the ordinary way. */
function wishOf(error: unknown): 'reject' | 'poison' | number | undefined {
  try {
    if (error instanceof Reject) return 'reject'
    if (isPoison(error)) return 'poison'
    return error instanceof RetryLater ? laterMs(error) : undefined
  } catch {
    return undefined
  }
}

/** The message itself cannot be read. A handler whose own publish is refused with the same code has failed in the ordinary way. */
function isPoison(error: unknown): boolean {
  return error instanceof BusError && error.code === 'BUS_INVALID_MESSAGE' && !(error instanceof NotAcceptedError)
}

/** A handler's own delay, held within what a timer can do: a bad number must not turn into a hot loop. */
function laterMs(error: RetryLater): number {
  return Number.isFinite(error.delayMs) ? Math.min(Math.max(0, error.delayMs), 2 ** 31 - 1) : 1000
}
