/**
 * What a caller says to a worker pool and hears from it: handlers, their context, options, statistics, the report of a stop.
 */
import type { Duration } from './duration.js'
import type { Message } from './message.js'
import type { RetryOptions } from './retry.js'
import type { Transaction } from './transaction.js'

/**
 * Handles one message. Returning acknowledges it; throwing retries it by policy; `Reject` dead-letters it now; `RetryLater` asks for
 * it again after a delay of its own.
 */
export type Handler<M extends Message = Message> = (message: M, context: HandlerContext) => unknown

/** Handles several messages. Returning acknowledges all but those given to `context.fail`; throwing retries all of them. */
export type BatchHandler<M extends Message = Message> = (messages: readonly M[], context: BatchContext<M>) => unknown

export interface HandlerContext {
  /** From 1. */
  readonly attempt: number
  /** The last attempt by the retry policy: failing now means a dead letter. */
  readonly lastAttempt: boolean
  /** Aborts when the attempt times out or the pool's stop deadline passes. */
  readonly signal: AbortSignal
  /** Tells the backend that the message is still being worked on. The pool does it by itself; call it before blocking for long. */
  working(): void
  /**
   * Only with a ledger (`dual`; elsewhere reading it throws `BUS_UNSUPPORTED`): a transaction that commits when the handler returns, together
   * with the settlement of the message, and is rolled back when the attempt fails. It begins with its first statement. What it writes commits
   * once for each consumer and message id.
   */
  readonly tx: Transaction
}

export interface BatchContext<M extends Message = Message> {
  readonly signal: AbortSignal
  /** From 1. */
  attemptOf(message: M): number
  /** Treats this message as failed with that error; the others are acknowledged when the handler returns. */
  fail(message: M, error: unknown): void
  working(): void
  /** One transaction for the whole batch, as in `HandlerContext`; messages that failed are not settled by it. */
  readonly tx: Transaction
}

export interface PoolOptions {
  /** Handler calls at a time, 1 to 10,000. Default 16. */
  readonly concurrency?: number
  /**
   * Up to this many deliveries are held ready beyond those running, so that a worker need not wait for the backend. Default: what the
   * handlers take in 50 ms, at least `concurrency` calls' worth, at most eight times that and a quarter of the consumer's `maxInFlight`.
   */
  readonly prefetch?: number
  /** Longest time for one attempt; then `context.signal` aborts and the attempt has failed. Default `'30s'`; 0: no limit. */
  readonly timeout?: Duration
  readonly retry?: RetryOptions
  /** How long ids that this pool handled are remembered, so that a second delivery is acknowledged without running. Default `'2m'`; 0: off. */
  readonly dedup?: Duration
  /** Subject for dead letters. Default `dead.<consumer>`. A stream must take it. */
  readonly deadLetter?: string
}

export interface BatchPoolOptions extends PoolOptions {
  /** Up to `size` messages a call, 1 to 10,000; a smaller batch starts once its first message has waited `within` (default `'50ms'`). */
  readonly batch: { readonly size: number; readonly within?: Duration }
}

export interface PoolStats {
  /** Messages handled successfully. */
  readonly handled: number
  /** Attempts that failed, timed out included. */
  readonly failed: number
  /** Failed attempts that will be repeated. */
  readonly retried: number
  /** Messages sent to the dead letters. */
  readonly dead: number
  /** Deliveries acknowledged without running, because their id had been handled. */
  readonly duplicates: number
  /** Handler calls running now, in messages. */
  readonly inFlight: number
  /** Held here and not started: ready, or behind an earlier message of their key. */
  readonly waiting: number
  /** Messages not settled yet that the pool knows of: not handed out, waiting or running. */
  readonly lag: number
  readonly paused: boolean
}

/** What became of the messages a pool held when it was stopped. */
export interface StopReport {
  /** Were running and ended in time, whatever their outcome. */
  readonly finished: number
  /** Had not started and were handed back; this costs them no attempt. */
  readonly released: number
  /** Were still running at the deadline: their signal was aborted and they were handed back as a failed attempt. */
  readonly aborted: number
}

export interface Pool {
  readonly consumer: string
  stats(): PoolStats
  /** Starts nothing more; running handlers go on. Idempotent. */
  pause(): void
  resume(): void
  /** Starts nothing more, waits for running handlers, hands back the rest. Idempotent: a later call returns the same report. */
  stop(options?: { readonly within?: Duration }): Promise<StopReport>
}
