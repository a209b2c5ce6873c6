/**
 * What would be a server: streams, their limits, and the consumers on them. Two toys with one server are like two processes with one
 * backend. Messages lie in a `Map` by sequence, which keeps their order and makes every removal cheap.
 */
import { type Clock, systemClock } from '../../src/clock.js'
import { BusError } from '../../src/errors.js'
import { messageBytes, type Outgoing, type StoredMessage } from '../../src/message.js'
import { match } from '../../src/subject.js'
import { assertDisjoint, type ResolvedStart, type ResolvedStream } from '../../src/topology.js'
import type { ToyConsumer } from './toy-consumer.js'

export class ToyServer {
  readonly clock: Clock
  readonly streams = new Map<string, ToyStream>()
  readonly consumers = new Map<string, ToyConsumer>()

  constructor(clock: Clock = systemClock) {
    this.clock = clock
  }

  /** Throws `BUS_NOT_FOUND`. */
  stream(name: string): ToyStream {
    const stream = this.streams.get(name)
    if (stream === undefined) throw new BusError('BUS_NOT_FOUND', `[toy] there is no stream ${name}. Declare it`)
    stream.expire()
    return stream
  }

  /** Throws `BUS_NO_STREAM`. */
  streamFor(subject: string): ToyStream {
    const takes = ({ definition }: ToyStream) => definition.subjects.some((pattern) => match(pattern, subject))
    const stream = [...this.streams.values()].find(takes)
    if (stream === undefined)
      throw new BusError('BUS_NO_STREAM', `[toy] no stream takes ${subject}. Declare one that does`)
    return stream
  }

  /** Throws `BUS_UNSUPPORTED` or `BUS_CONFLICT` when the stream cannot be as wanted. */
  check(wanted: ResolvedStream): void {
    if (wanted.retention !== 'limits') throw unsupported(`retention '${wanted.retention}'`)
    for (const { definition: known } of this.streams.values()) {
      if (known.name !== wanted.name) assertDisjoint(wanted, known)
      else if (known.storage !== wanted.storage) {
        throw new BusError(
          'BUS_CONFLICT',
          `[toy] stream ${known.name} has storage '${known.storage}', not '${wanted.storage}'`,
        )
      }
    }
  }
}

/** Hears of every message that comes to a stream, and of every one that its limits take away. */
export interface StreamListener {
  stored(): void
  removed(message: StoredMessage): void
}

export class ToyStream {
  readonly #clock: Clock
  definition: ResolvedStream
  readonly messages = new Map<number, StoredMessage>()
  readonly listeners = new Set<StreamListener>()
  lastSequence = 0
  bytes = 0

  constructor(clock: Clock, definition: ResolvedStream) {
    this.#clock = clock
    this.definition = definition
  }

  /** Throws `BUS_TOO_LARGE`, or `BUS_UNAVAILABLE` when the stream is full and refuses new messages. */
  store({ id, subject, key, headers, payload }: Outgoing): number {
    const { name, maxBytes, maxMessages, maxMessageBytes, discard } = this.definition
    const message = {
      stream: name,
      sequence: this.lastSequence + 1,
      time: this.#clock.now(),
      id,
      subject,
      key,
      headers,
      payload,
    }
    const size = messageBytes(message)
    if (size > maxMessageBytes)
      throw new BusError('BUS_TOO_LARGE', `[toy] ${size} bytes are more than stream ${name} takes`)
    this.expire()
    const full = this.messages.size >= maxMessages || this.bytes + size > maxBytes
    if (full && discard === 'new')
      throw new BusError('BUS_UNAVAILABLE', `[toy] stream ${name} is full. Raise its limits`)
    this.lastSequence = message.sequence
    this.messages.set(message.sequence, message)
    this.bytes += size
    this.shrink()
    for (const listener of this.listeners) listener.stored()
    return message.sequence
  }

  /** Brings the stream within its limits. */
  shrink(): void {
    const { maxMessages, maxBytes } = this.definition
    while (this.messages.size > maxMessages || this.bytes > maxBytes) this.#removeOldest()
  }

  /** Removes what is older than the stream keeps. */
  expire(): void {
    const oldest = this.#clock.now() - this.definition.maxAgeMs
    while ((this.messages.get(this.firstSequence)?.time ?? Number.POSITIVE_INFINITY) <= oldest) this.#removeOldest()
  }

  /** The first message at or after the sequence that a filter takes. */
  next(sequence: number, filters: readonly string[]): StoredMessage | undefined {
    for (let at = Math.max(sequence, this.firstSequence); at <= this.lastSequence; at++) {
      const message = this.messages.get(at)
      if (message !== undefined && filters.some((filter) => match(filter, message.subject))) return message
    }
    return undefined
  }

  /** The sequence at which a reader begins. */
  start(from: ResolvedStart, filters: readonly string[]): number {
    if (from === 'all') return 1
    if (typeof from === 'object' && 'sequence' in from) return from.sequence
    const all = [...this.messages.values()].filter(({ subject }) => filters.some((filter) => match(filter, subject)))
    const found =
      typeof from === 'object' ? all.find(({ time }) => time >= from.timeMs) : from === 'last' ? all.at(-1) : undefined
    return found?.sequence ?? this.lastSequence + 1
  }

  /** Of the oldest message kept, or of the next one to come. */
  get firstSequence(): number {
    return this.messages.keys().next().value ?? this.lastSequence + 1
  }

  #removeOldest(): void {
    const message = this.messages.get(this.firstSequence)
    if (message === undefined) return
    this.messages.delete(message.sequence)
    this.bytes -= messageBytes(message)
    for (const listener of this.listeners) listener.removed(message)
  }
}

export function unsupported(what: string): BusError {
  return new BusError('BUS_UNSUPPORTED', `[toy] ${what} is not something that a toy can do`)
}
