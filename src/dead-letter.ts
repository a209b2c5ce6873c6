/**
 * What a dead letter carries, and what a person can do with the dead letters of a consumer: list, show, redrive, discard.
 * A dead letter is an ordinary stored message: the original bytes and headers, plus `Busbar-Dead-*` headers.
 */
import type { Adapter } from './adapter.js'
import { decode } from './codec.js'
import { flagOf, invalid, optionsOf, wholeNumber } from './duration.js'
import { escapeUnits, unescapeUnits } from './escape.js'
import type { Failure } from './failure-log.js'
import {
  DEAD_PREFIX,
  type Headers,
  type Outgoing,
  REDRIVE_HEADER,
  type StoredMessage,
  userHeaders,
  withHeaders,
} from './message.js'
import type { DeadReason } from './retry.js'
import { checkSubject } from './subject.js'
import { assertSupported } from './support.js'

export interface DeadLetter {
  /** Where it lies: its place in the dead-letter stream, and the handle for `show`. */
  readonly sequence: number
  readonly consumer: string
  readonly reason: DeadReason
  /** The original message, as it was published. */
  readonly id: string
  readonly subject: string
  readonly stream: string
  readonly originalSequence: number
  readonly key: string | undefined
  readonly headers: Headers
  readonly payload: Uint8Array
  /** Decoded payload; undefined when it cannot be decoded. */
  readonly data: unknown
  readonly attempts: number
  /** At most 4 KB each, secrets redacted. */
  readonly firstError: string
  readonly lastError: string
  /** ms since the epoch */
  readonly publishedAt: number
  readonly firstFailedAt: number
  readonly deadAt: number
}

export interface DeadLetterSelection {
  readonly where?: (letter: DeadLetter) => boolean
  /** At most this many that match. */
  readonly limit?: number
  /** Only counts. Default false. */
  readonly dryRun?: boolean
}

export interface DeadLetters {
  /** Oldest first. */
  list(selection?: Omit<DeadLetterSelection, 'dryRun'>): AsyncIterable<DeadLetter>
  /** By `sequence`. */
  show(sequence: number): Promise<DeadLetter | undefined>
  /** Publishes the originals again, for this consumer only, with fresh attempts; each dead letter goes once its message is accepted. */
  redrive(selection?: DeadLetterSelection): Promise<{ readonly matched: number; readonly redriven: number }>
  /** Removes them for good. */
  discard(selection?: DeadLetterSelection): Promise<{ readonly matched: number; readonly discarded: number }>
}

const UNPRINTABLE = /[^ -$&-~]/g

/**
 * The message that is stored for a message given up.
 * @param maxErrorLength characters kept of each error
 */
export function toDeadLetter(
  failure: Failure,
  reason: DeadReason,
  consumer: string,
  subject: string,
  nowMs: number,
  maxErrorLength: number,
): Outgoing {
  const { message } = failure
  const facts = {
    Consumer: consumer,
    Reason: reason,
    Id: message.id,
    Subject: message.subject,
    Stream: message.stream,
    Sequence: String(message.sequence),
    Attempts: String(failure.attempts),
    'First-Error': failure.firstError.slice(0, maxErrorLength),
    'Last-Error': failure.lastError.slice(0, maxErrorLength),
    'Published-At': String(message.time),
    'First-Failed-At': String(failure.firstFailedAt),
    At: String(nowMs),
  }
  const { [REDRIVE_HEADER]: _, ...original } = message.headers
  const headers = Object.entries(facts).map(([name, value]) => [DEAD_PREFIX + name, escapeUnits(value, UNPRINTABLE)])
  // The place in the stream makes the id one of a kind even when the message is redriven and dies again.
  const id = `dead/${consumer}/${message.stream}/${message.sequence}/${message.id}`
  return {
    id,
    dedupId: id,
    isFresh: false,
    subject,
    key: message.key,
    headers: withHeaders(original, Object.fromEntries(headers)),
    payload: message.payload,
    delayMs: 0,
  }
}

function fromStored(stored: StoredMessage): DeadLetter {
  const fact = (name: string): string => unescapeUnits(stored.headers[DEAD_PREFIX + name] ?? '')
  const { key, payload, sequence } = stored
  return {
    sequence,
    consumer: fact('Consumer'),
    reason: fact('Reason') as DeadReason,
    id: fact('Id'),
    subject: fact('Subject'),
    stream: fact('Stream'),
    originalSequence: Number(fact('Sequence')),
    key,
    headers: userHeaders(stored.headers),
    payload,
    get data() {
      return decodeOrNothing(stored)
    },
    attempts: Number(fact('Attempts')),
    firstError: fact('First-Error'),
    lastError: fact('Last-Error'),
    publishedAt: Number(fact('Published-At')),
    firstFailedAt: Number(fact('First-Failed-At')),
    deadAt: Number(fact('At')),
  }
}

function decodeOrNothing(stored: StoredMessage): unknown {
  try {
    return decode(stored)
  } catch {
    return undefined
  }
}

/** Throws `BUS_INVALID_OPTION`: what looks like a rehearsal must not be the real thing. */
function isDryRun(selection: DeadLetterSelection): boolean {
  return flagOf('dryRun', optionsOf('selection', selection).dryRun ?? false)
}

/**
 * The original, to be published once more: its id stays, but the publish dedup window must let it through (JS-D4). Anybody can have
 * written the letter, so that its subject is checked as a caller's would be (SUB-3). Throws `BUS_INVALID_SUBJECT`.
 */
function toRedrive(stored: StoredMessage, letter: DeadLetter): Outgoing {
  const original = Object.entries(stored.headers).filter(([name]) => !name.startsWith(DEAD_PREFIX))
  return {
    id: letter.id,
    dedupId: `${letter.id}/redrive/${stored.sequence}`,
    isFresh: false,
    subject: checkSubject(letter.subject),
    key: letter.key,
    headers: withHeaders(Object.fromEntries(original), { [REDRIVE_HEADER]: letter.consumer }),
    payload: stored.payload,
    delayMs: 0,
  }
}

/** Where the dead letters of one consumer lie, and how to reach them. */
export interface DeadLetterPlace {
  readonly consumer: string
  readonly stream: string
  readonly subject: string
  /** The adapter, or an error when the bus is not open. */
  readonly adapter: () => Adapter
  /** Throws when the message is not accepted. */
  readonly publish: (message: Outgoing) => Promise<unknown>
}

export class StoredDeadLetters implements DeadLetters {
  readonly #place: DeadLetterPlace

  constructor(place: DeadLetterPlace) {
    this.#place = place
  }

  async *list(selection: Omit<DeadLetterSelection, 'dryRun'> = {}): AsyncIterable<DeadLetter> {
    for await (const { letter } of this.#select(selection)) yield letter
  }

  async show(sequence: number): Promise<DeadLetter | undefined> {
    wholeNumber('sequence', sequence, 1)
    for await (const { letter } of this.#select({}, sequence)) return letter
    return undefined
  }

  async redrive(selection: DeadLetterSelection = {}): Promise<{ matched: number; redriven: number }> {
    const isDry = isDryRun(selection)
    const matched = await this.#each(selection, async (stored, letter) => {
      await this.#place.publish(toRedrive(stored, letter))
      await this.#place.adapter().remove(stored.stream, [stored.sequence])
    })
    return { matched, redriven: isDry ? 0 : matched }
  }

  async discard(selection: DeadLetterSelection = {}): Promise<{ matched: number; discarded: number }> {
    const isDry = isDryRun(selection)
    const matched = await this.#each(selection, (stored) =>
      this.#place.adapter().remove(stored.stream, [stored.sequence]),
    )
    return { matched, discarded: isDry ? 0 : matched }
  }

  async #each(
    selection: DeadLetterSelection,
    act: (stored: StoredMessage, letter: DeadLetter) => Promise<unknown>,
  ): Promise<number> {
    assertSupported(this.#place.adapter(), 'remove')
    let matched = 0
    for await (const { stored, letter } of this.#select(selection)) {
      matched++
      if (!isDryRun(selection)) await act(stored, letter)
    }
    return matched
  }

  async *#select(
    selection: DeadLetterSelection,
    only?: number,
  ): AsyncIterable<{ stored: StoredMessage; letter: DeadLetter }> {
    const { where, limit: most } = optionsOf('selection', selection)
    const limit = most === undefined ? Number.POSITIVE_INFINITY : wholeNumber('limit', most, 1)
    if (where !== undefined && typeof where !== 'function') throw invalid('where', where, 'a function of a dead letter')
    const { stream, subject, consumer, adapter } = this.#place
    const range = only === undefined ? { from: 'all' as const } : { from: { sequence: only }, toSequence: only }
    let count = 0
    for await (const stored of adapter().read({ stream, filters: [subject], ...range })) {
      const letter = fromStored(stored)
      if (letter.consumer !== consumer || where?.(letter) === false) continue
      yield { stored, letter }
      if (++count >= limit) return
    }
  }
}
