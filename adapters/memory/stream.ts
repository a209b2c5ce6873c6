/**
 * One stream: what it accepts, what it keeps, and which consumers read it. It knows nothing of feeds and deliveries.
 * Order of the checks when a message comes, as on a JetStream server: size, duplicate id, limits.
 */
import { randomUUID } from 'node:crypto'
import type { PublishOutcome, StreamReport } from '../../src/adapter.js'
import type { Clock, Timer } from '../../src/clock.js'
import { DedupWindow } from '../../src/dedup-window.js'
import { BusError } from '../../src/errors.js'
import { messageBytes, type Outgoing, type StoredMessage } from '../../src/message.js'
import type { ResolvedStream } from '../../src/topology.js'
import type { MemoryConsumer } from './consumer.js'
import { type Accepted, acceptedAs, acceptedLater, idOf, isSameContent } from './content.js'
import type { Cursor } from './cursor.js'
import { KeptMessage } from './kept-message.js'
import { MessageLog } from './log.js'

/** Ids that one dedup window holds at most; about 100 MB with small payloads. */
const DEDUP_MAX_IDS = 200_000
/** Of so many messages at least, and twice as many at most, the data waits beside its text. */
const COPIES = 512

interface Reader {
  readonly cursor: Cursor
  readonly onArrived: () => void
}

export class MemoryStream {
  readonly log = new MessageLog()
  /** A list, not a map: it is walked for every message and searched for every consumer. */
  readonly consumers: MemoryConsumer[] = []
  /** Readers of history, which also see what comes and what goes. */
  readonly #readers: Reader[] = []
  definition: ResolvedStream
  /** Called with each message that became readable. */
  onStored: ((message: StoredMessage) => void) | undefined
  /** Delayed messages, which no reader sees yet. */
  delayed = 0
  isClosed = false
  readonly #generation = randomUUID()
  readonly #clock: Clock
  #ids: DedupWindow<Accepted>
  #bytes = 0
  #expiry: Timer | undefined

  constructor(definition: ResolvedStream, clock: Clock) {
    this.definition = definition
    this.#clock = clock
    this.#ids = new DedupWindow(definition.dedupWindowMs, DEDUP_MAX_IDS, idOf)
  }

  /** Takes on new limits at once, as a server does. */
  update(definition: ResolvedStream): void {
    if (definition.dedupWindowMs !== this.definition.dedupWindowMs)
      this.#ids = new DedupWindow(definition.dedupWindowMs, DEDUP_MAX_IDS, idOf)
    this.definition = definition
    while (this.log.count > definition.maxMessages || this.#bytes > definition.maxBytes) this.#dropOldest()
    this.#expire()
  }

  publish(message: Outgoing): PublishOutcome {
    const bytes = messageBytes(message)
    const refused = this.#tooLarge(message, bytes)
    if (refused !== undefined) return { status: 'rejected', error: refused }
    const now = this.#clock.monotonic()
    const earlier = message.isFresh ? undefined : this.#ids.get(message.dedupId, now)
    if (earlier !== undefined) return this.#repeated(message, earlier)
    const full = this.#makeRoom(message, bytes)
    if (full !== undefined) return { status: 'rejected', error: full }
    const stored = this.#store(message, bytes)
    this.#ids.add(acceptedAs(stored, message), now)
    return { status: 'accepted', stream: this.definition.name, sequence: stored.sequence, duplicate: false }
  }

  /** Answers for a message that is to be stored later: everything but room, which is a question of that time. */
  admit(message: Outgoing): PublishOutcome {
    const refused = this.#tooLarge(message, messageBytes(message))
    if (refused !== undefined) return { status: 'rejected', error: refused }
    const now = this.#clock.monotonic()
    const earlier = this.#ids.get(message.dedupId, now)
    if (earlier !== undefined) return this.#repeated(message, earlier)
    this.#ids.add(acceptedLater(message), now)
    message.takeCopy?.()
    return { status: 'accepted', stream: this.definition.name, sequence: 0, duplicate: false }
  }

  /** Stores an admitted message whose time has come. @returns false when the stream is full */
  storeAdmitted(message: Outgoing): boolean {
    const bytes = messageBytes(message)
    if (this.#makeRoom(message, bytes) !== undefined) return false
    this.#store(message, bytes)
    return true
  }

  /** Removes a message for good and tells the consumers. */
  remove(sequence: number): boolean {
    const message = this.log.remove(sequence)
    if (message === undefined) return false
    this.#bytes -= messageBytes(message)
    for (const consumer of this.consumers) consumer.removed(message)
    for (const { cursor } of this.#readers) cursor.removed(message)
    return true
  }

  /** A consumer settled a message: retention by work or by interest may let it go. */
  settled(message: StoredMessage): void {
    if (this.definition.retention === 'limits') return
    for (const consumer of this.consumers) if (consumer.needs(message)) return
    this.remove(message.sequence)
  }

  report(): StreamReport {
    const { name, subjects } = this.definition
    const { count: messages, last } = this.log
    return {
      name,
      subjects,
      messages,
      bytes: this.#bytes,
      firstSequence: last === 0 ? 0 : this.log.first,
      lastSequence: last,
      delayed: this.delayed,
      generation: this.#generation,
    }
  }

  /** Keeps a reader's cursor up to date. @returns stops it */
  track(cursor: Cursor, onArrived: () => void): () => void {
    const reader: Reader = { cursor, onArrived }
    this.#readers.push(reader)
    return () => void this.#readers.splice(this.#readers.indexOf(reader), 1)
  }

  close(): void {
    this.isClosed = true
    this.#expiry?.cancel()
    for (const consumer of this.consumers) consumer.close()
    for (const { onArrived } of this.#readers) onArrived()
  }

  /** A message over `maxBytes` can never fit either, and must not empty the stream first. */
  #tooLarge(message: Outgoing, bytes: number): BusError | undefined {
    const { name, maxMessageBytes, maxBytes } = this.definition
    const most = Math.min(maxMessageBytes, maxBytes)
    if (bytes <= most) return undefined
    const limit = most === maxBytes ? 'maxBytes' : 'maxMessageBytes'
    return new BusError(
      'BUS_TOO_LARGE',
      `[memory] publish to ${message.subject}: ${bytes} bytes are more than the ${most} of stream ${name}. Publish less, or raise ${limit}`,
    )
  }

  #repeated(message: Outgoing, earlier: Accepted): PublishOutcome {
    const { name } = this.definition
    if (isSameContent(message, earlier))
      return { status: 'accepted', stream: name, sequence: earlier.sequence, duplicate: true }
    const error = new BusError(
      'BUS_ID_CONFLICT',
      `[memory] publish to ${message.subject}: id "${message.id}" was used in stream ${name} for another subject or payload. Use a new id`,
    )
    return { status: 'rejected', error }
  }

  #makeRoom(message: Outgoing, bytes: number): BusError | undefined {
    const { maxMessages, maxBytes } = this.definition
    if (this.log.count < maxMessages && maxBytes === Number.POSITIVE_INFINITY) return undefined
    return this.#makeRoomWithin(message, bytes)
  }

  /** Apart, because what a closure captures is allocated at each call of its function, reached or not. */
  #makeRoomWithin(message: Outgoing, bytes: number): BusError | undefined {
    const { name, maxMessages, maxBytes, discard } = this.definition
    const fits = (): boolean => this.log.count < maxMessages && this.#bytes + bytes <= maxBytes
    if (discard === 'old') while (!fits() && this.log.count > 0) this.#dropOldest()
    if (fits()) return undefined
    const remedy = 'Wait until consumers or limits made room, or raise maxMessages or maxBytes'
    return new BusError(
      'BUS_UNAVAILABLE',
      `[memory] publish to ${message.subject}: stream ${name} is full (${this.log.count} messages, ${this.#bytes} bytes). ${remedy}`,
    )
  }

  #store(outgoing: Outgoing, bytes: number): KeptMessage {
    const message = new KeptMessage(this.definition.name, this.log.last + 1, this.#clock.now(), outgoing, bytes)
    const wanted = this.#isWanted(message)
    if (message.sequence % COPIES === 0) this.#dropCopies(message.sequence)
    if (wanted) {
      this.log.append(message)
      this.#bytes += bytes
      if (this.log.count === 1) this.#expire()
    } else this.log.skip()
    if (wanted) this.#tellArrived(message)
    this.onStored?.(message)
    return message
  }

  /** Of the newest messages only: what nobody reads soon is read from its text. */
  #dropCopies(newest: number): void {
    for (let sequence = newest - 2 * COPIES; sequence < newest - COPIES; sequence++)
      this.log.get(sequence)?.takeCopy?.()
  }

  #tellArrived(message: StoredMessage): void {
    for (const consumer of this.consumers) consumer.arrived(message)
    for (const { cursor, onArrived } of this.#readers) {
      cursor.arrived(message)
      onArrived()
    }
  }

  #isWanted(message: StoredMessage): boolean {
    if (this.definition.retention !== 'interest') return true
    for (const consumer of this.consumers) if (consumer.matches(message.subject)) return true
    return false
  }

  #dropOldest(): void {
    this.remove(this.log.first)
  }

  /** Drops what is over age, and comes back when the next one will be. */
  #expire(): void {
    this.#expiry?.cancel()
    this.#expiry = undefined
    const { maxAgeMs } = this.definition
    if (maxAgeMs === Number.POSITIVE_INFINITY) return
    for (let oldest = this.log.get(this.log.first); oldest !== undefined; oldest = this.log.get(this.log.first)) {
      const leftMs = oldest.time + maxAgeMs - this.#clock.now()
      if (leftMs > 0) {
        this.#expiry = this.#clock.timer(leftMs, () => this.#expire(), { ref: false })
        return
      }
      this.#dropOldest()
    }
  }
}
