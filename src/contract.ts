/**
 * Between a filter and a handler: turns subjects, patterns and topics into the patterns that an adapter filters by, and stored bytes
 * into typed messages. Decoding is lazy; a topic's validation is not, because a bad message must never reach a handler.
 */
import { inspect } from 'node:util'
import type { Signal } from './adapter.js'
import { decode } from './codec.js'
import { invalid } from './duration.js'
import { BusError } from './errors.js'
import type { Logger } from './logger.js'
import { type Headers, type Message, NO_HEADERS, type StoredMessage, userHeaders, VERSION_HEADER } from './message.js'
import type { Filter } from './message-bus.js'
import { checkPattern, match } from './subject.js'
import { type AnyTopic, Topic } from './topic.js'

const NO_PARAMS: Readonly<Record<string, string>> = Object.freeze(Object.create(null))
const NOT_DECODED = Symbol('not decoded')

/** A message as a handler sees it, over the stored one. */
export class ReceivedMessage implements Message {
  readonly stored: StoredMessage
  params: Readonly<Record<string, string>> = NO_PARAMS
  #data: unknown = NOT_DECODED

  constructor(stored: StoredMessage) {
    this.stored = stored
  }

  get id(): string {
    return this.stored.id
  }
  get subject(): string {
    return this.stored.subject
  }
  get stream(): string {
    return this.stored.stream
  }
  get sequence(): number {
    return this.stored.sequence
  }
  get time(): number {
    return this.stored.time
  }
  get key(): string | undefined {
    return this.stored.key
  }
  get headers(): Headers {
    return userHeaders(this.stored.headers)
  }
  get data(): unknown {
    if (this.#data === NOT_DECODED) this.#data = decode(this.stored)
    return this.#data
  }

  /** Replaces the decoded data by what its topic made of it. */
  accept(data: unknown, params: Readonly<Record<string, string>>): void {
    this.#data = data
    this.params = params
  }

  /** A message prints and logs without its payload. */
  toJSON(): object {
    const { id, subject, stream, sequence, time, key } = this
    return { id, subject, stream, sequence, time, key }
  }

  /** As `toJSON`, for `console.log` and `util.inspect`. */
  [inspect.custom](): object {
    return this.toJSON()
  }
}

export class Contract {
  /** Checked, at least one. */
  readonly patterns: readonly string[]
  readonly #topics: readonly AnyTopic[]
  readonly #logger: Logger

  /** @param whole the patterns of a missing filter: everything that the stream takes */
  constructor(filter: Filter | undefined, logger: Logger, whole: readonly string[] = ['>']) {
    const parts: readonly unknown[] = filter === undefined ? whole : Array.isArray(filter) ? filter : [filter]
    if (parts.length === 0) throw invalid('filter', filter, 'a pattern, a topic, or at least one of them')
    this.patterns = parts.map((part) => (part instanceof Topic ? part.pattern : checkPattern(part)))
    this.#topics = parts.filter((part) => part instanceof Topic)
    this.#logger = logger
  }

  get hasTopics(): boolean {
    return this.#topics.length > 0
  }

  /**
   * Validates and types the message by its topic; nothing happens to a message of a plain pattern. Throws or rejects with
   * `BUS_INVALID_MESSAGE`.
   */
  async type(message: ReceivedMessage): Promise<void> {
    for (const topic of this.#topics) {
      if (!match(topic.pattern, message.subject)) continue
      const params = topic.parse(message.subject)
      if (params === undefined) continue
      message.accept(await topic.accept(message.data, versionOf(message.stored), this.#logger), params)
      return
    }
  }

  /** A typed message, for readers that take one at a time. */
  async open(stored: StoredMessage): Promise<ReceivedMessage> {
    const message = new ReceivedMessage(stored)
    if (this.hasTopics) await this.type(message)
    return message
  }
}

/** A publisher without topics sends no version; anything but a whole number was written by a stranger. */
function versionOf(stored: StoredMessage): number {
  const version = Number(stored.headers[VERSION_HEADER] ?? 1)
  if (Number.isSafeInteger(version) && version >= 1) return version
  throw new BusError('BUS_INVALID_MESSAGE', `[bus] header ${VERSION_HEADER} of message ${stored.id} is not a version`)
}

/** A live message has no place in a stream. */
export function fromSignal(signal: Signal, timeMs: number): StoredMessage {
  const { id, subject, key, payload } = signal
  return { id, subject, key, payload, headers: signal.headers ?? NO_HEADERS, stream: '', sequence: 0, time: timeMs }
}
