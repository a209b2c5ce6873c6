/**
 * Every error that busbar throws, and the two that a handler throws to steer its message.
 * Callers branch on `code`; texts name the thing and the remedy and are free to change.
 */
import type { Receipt } from './receipt.js'

export type BusErrorCode =
  | 'BUS_INVALID_OPTION'
  | 'BUS_INVALID_SUBJECT'
  | 'BUS_INVALID_MESSAGE'
  | 'BUS_TOO_LARGE'
  | 'BUS_CONFIG'
  | 'BUS_CLOSED'
  | 'BUS_NOT_FOUND'
  | 'BUS_CONFLICT'
  | 'BUS_ID_CONFLICT'
  | 'BUS_UNAVAILABLE'
  | 'BUS_TIMEOUT'
  | 'BUS_UNSUPPORTED'
  | 'BUS_NO_STREAM'
  | 'BUS_AUTH'

export interface BusErrorOptions {
  readonly cause?: unknown
  /** Whether the same call may succeed later without a change by the caller. Default: true for `BUS_UNAVAILABLE` and `BUS_TIMEOUT`. */
  readonly retryable?: boolean
}

export class BusError extends Error {
  override readonly name: string = 'BusError'
  readonly code: BusErrorCode
  readonly retryable: boolean

  constructor(code: BusErrorCode, message: string, options: BusErrorOptions = {}) {
    super(message, 'cause' in options ? { cause: options.cause } : undefined)
    this.code = code
    this.retryable = options.retryable ?? (code === 'BUS_UNAVAILABLE' || code === 'BUS_TIMEOUT')
  }
}

/** A publish that is definitely not stored, now or later. */
export class NotAcceptedError extends BusError {
  override readonly name = 'NotAcceptedError'

  static from(error: BusError): NotAcceptedError {
    if (error instanceof NotAcceptedError) return error
    return new NotAcceptedError(error.code, error.message, { cause: error, retryable: error.retryable })
  }
}

/** A publish that may be stored. Repeat it with the same `id`: it is stored once whatever happened to the first. */
export class OutcomeUnknownError extends BusError {
  override readonly name = 'OutcomeUnknownError'
  readonly id: string

  constructor(id: string, cause: BusError) {
    super(cause.code, `${cause.message} (outcome unknown: repeat the publish with id "${id}")`, {
      cause,
      retryable: true,
    })
    this.id = id
  }
}

/** Some messages of a batch were not accepted. Its code is that of the first that was not. */
export class PublishBatchError extends BusError {
  override readonly name = 'PublishBatchError'
  /** For each entry, in order: its receipt, or why there is none. */
  readonly outcomes: readonly (Receipt | NotAcceptedError | OutcomeUnknownError)[]

  constructor(first: BusError, outcomes: readonly (Receipt | NotAcceptedError | OutcomeUnknownError)[]) {
    const failed = outcomes.filter((outcome) => outcome instanceof BusError).length
    super(first.code, `[bus] ${failed} of ${outcomes.length} messages were not accepted; the first: ${first.message}`, {
      cause: first,
      retryable: first.retryable,
    })
    this.outcomes = outcomes
  }
}

/** A handler throws this to send its message to the dead letters now, without another attempt. */
export class Reject extends Error {
  override readonly name = 'Reject'
  /** @param reason what a person needs to know to mend the message; kept with the dead letter (4 KB, secrets redacted) */
  constructor(reason: string, options?: { readonly cause?: unknown }) {
    super(reason, options)
  }
}

/** A handler throws this to have its message again after `delayMs` milliseconds. It counts as an attempt. */
export class RetryLater extends Error {
  override readonly name = 'RetryLater'
  readonly delayMs: number
  constructor(delayMs: number, reason = `retry in ${delayMs} ms`, options?: { readonly cause?: unknown }) {
    super(reason, options)
    this.delayMs = delayMs
  }
}

export function isBusError(error: unknown, code?: BusErrorCode): error is BusError {
  return error instanceof BusError && (code === undefined || error.code === code)
}

/** Wraps whatever was thrown, once, so that callers always meet a `BusError`. */
export function toBusError(thrown: unknown, code: BusErrorCode, context: string): BusError {
  if (thrown instanceof BusError) return thrown
  return new BusError(code, `${context}: ${describeThrown(thrown)}`, { cause: thrown })
}

/** One line about anything that can be thrown, `undefined` and hostile getters included. Never throws. */
export function describeThrown(thrown: unknown): string {
  try {
    if (thrown instanceof Error) return `${thrown.name}: ${thrown.message}`
    if (typeof thrown === 'string') return thrown
    if (typeof thrown === 'object' && thrown !== null) {
      const message: unknown = Reflect.get(thrown, 'message')
      return typeof message === 'string' ? message : Object.prototype.toString.call(thrown)
    }
    return `thrown ${String(thrown)}`
  } catch {
    return 'a value that cannot be described was thrown'
  }
}
