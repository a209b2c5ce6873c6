/**
 * What a pool remembers of messages that failed and will come back: enough for an honest dead letter, bounded by the consumer's
 * `maxInFlight`. Another process does not know it; a dead letter then starts its story at that process's first failure.
 */
import { describeThrown } from './errors.js'
import type { StoredMessage } from './message.js'
import { redact } from './redact.js'

export interface Failure {
  readonly message: StoredMessage
  readonly attempts: number
  readonly firstError: string
  readonly lastError: string
  /** ms since the epoch */
  readonly firstFailedAt: number
}

const MAX_ERROR_BYTES = 4096

export class FailureLog {
  readonly #failures = new Map<number, Failure>()

  /** Messages that failed, are not settled, and satisfy the condition. */
  count(where: (sequence: number) => boolean): number {
    let count = 0
    for (const sequence of this.#failures.keys()) if (where(sequence)) count++
    return count
  }

  /** Adds a failed attempt to the message's story. */
  record(message: StoredMessage, attempt: number, error: unknown, nowMs: number): Failure {
    const text = errorText(error)
    const earlier = this.#failures.get(message.sequence)
    const failure: Failure = {
      message,
      attempts: attempt,
      firstError: earlier?.firstError ?? text,
      lastError: text,
      firstFailedAt: earlier?.firstFailedAt ?? nowMs,
    }
    this.#failures.set(message.sequence, failure)
    return failure
  }

  get(sequence: number): Failure | undefined {
    return this.#failures.get(sequence)
  }

  delete(sequence: number): void {
    this.#failures.delete(sequence)
  }
}

/** At most 4 KB, secrets redacted before the cut, so that half a secret cannot remain. */
function errorText(error: unknown): string {
  const text = redact(describeThrown(error).slice(0, 4 * MAX_ERROR_BYTES))
  const bytes = Buffer.from(text)
  return bytes.byteLength <= MAX_ERROR_BYTES
    ? text
    : bytes
        .subarray(0, MAX_ERROR_BYTES - 4)
        .toString()
        .replace(/\ufffd$/, '')
}
