/**
 * A stream's messages in order and without a gap, from a consumer of its own that settles nothing (JS-F8). The server numbers what it
 * hands out; when a number is missing, when the link, the leader or the consumer was lost, or when nothing is heard, the consumer is
 * made anew right behind the last message that arrived.
 *
 *   new -- open() --> ready -- next() --> reading -- a number is missing, link or consumer lost --> renewing --> reading
 *                                           +-- all read, unless it follows --> complete     close() --> over
 */
import type { ConsumerInfo, JetStreamManager } from '@nats-io/jetstream'
import type { Msg } from '@nats-io/transport-node'
import { Bell } from '../../../src/bell.js'
import { type Timer, withTimeLimit } from '../../../src/clock.js'
import { describeThrown } from '../../../src/errors.js'
import type { StoredMessage } from '../../../src/message.js'
import { match, overlap } from '../../../src/subject.js'
import type { ResolvedStart } from '../../../src/topology.js'
import type { Connection } from '../connect/connection.js'
import { patiently } from '../connect/patience.js'
import { type DeliveryFacts, parseAckSubject } from '../consume/ack-subject.js'
import { Pull } from '../consume/pull.js'
import { failure, isMissing } from '../failure.js'
import { headerText, toStored } from '../wire.js'
import { ReadWindow } from './read-window.js'
import { readerConfig } from './reader-consumer.js'
import { lookAt, type Source, type SourceDefinition, type StreamFacts } from './source.js'

/** Without `follow`: whether what is awaited was removed meanwhile is looked up that often. */
const LOOK_MS = 500
/** Without `follow`: an outage may last that long. */
const PATIENCE_MS = 10_000
const DELETE_MS = 1000

export class OrderedReader implements Source {
  readonly #connection: Connection
  /** Also of use while the connection closes. */
  readonly #jsm: JetStreamManager
  readonly #definition: SourceDefinition
  readonly #what: string
  readonly #bell = new Bell()
  /** The server takes no filters that overlap. */
  readonly #isFilteredHere: boolean
  readonly #window: ReadWindow
  readonly #stopListening: () => void
  #facts: StreamFacts
  #start: ResolvedStart
  /** Of a reading from `'last-per-subject'` that was interrupted: what is still to be read of it. */
  #newest: ReadonlySet<number> | undefined
  #consumer: ConsumerInfo | undefined
  #pull: Pull | undefined
  #queue: StoredMessage[] = []
  #next = 0
  /** The newest message that arrived. */
  #sequence = 0
  #time = 0
  #number = 0
  /** From `'last-per-subject'` without `follow`: messages still to come. */
  #left = Number.POSITIVE_INFINITY
  #look: Timer | undefined
  #failure: unknown
  #isRenewing = false
  #isComplete = false
  #isClosed = false
  #closing: Promise<void> | undefined

  /** @param start of the kinds that a server understands: not `'last'` and not `'new'` */
  constructor(connection: Connection, definition: SourceDefinition, start: ResolvedStart, facts: StreamFacts) {
    this.#connection = connection
    this.#jsm = connection.jsm
    this.#definition = definition
    this.#what = `read stream ${definition.stream}`
    this.#start = start
    this.#facts = facts
    this.#window = new ReadWindow(facts.maxMessageBytes)
    const { filters } = definition
    this.#isFilteredHere = filters.some((filter, at) => filters.slice(0, at).some((other) => overlap(filter, other)))
    this.#stopListening = connection.onLost(() => this.#renew('the connection was lost'))
  }

  async open(): Promise<void> {
    try {
      this.#consumer = await this.#create()
      const isSnapshot = this.#start === 'last-per-subject' && !this.#definition.follow
      if (isSnapshot) this.#left = this.#consumer.num_pending
    } catch (thrown) {
      this.#stopListening()
      throw thrown
    }
  }

  async next(): Promise<StoredMessage | undefined> {
    if (this.#pull === undefined && this.#consumer !== undefined) this.#serve(this.#consumer)
    for (;;) {
      if (this.#isClosed) return undefined
      const message = this.#take()
      if (message !== undefined) return message
      if (this.#failure !== undefined) throw this.#failure
      if (this.#isComplete) return undefined
      if (!this.#definition.follow) this.#lookLater()
      await this.#bell.heard()
    }
  }

  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close(): Promise<void> {
    this.#isClosed = true
    this.#stopListening()
    this.#look?.cancel()
    this.#bell.ring()
    await withTimeLimit(this.#drop(), DELETE_MS, this.#connection.host.clock)
  }

  #take(): StoredMessage | undefined {
    const message = this.#queue[this.#next]
    if (message === undefined) return undefined
    this.#next++
    if (this.#next === this.#queue.length) {
      this.#queue = []
      this.#next = 0
    }
    this.#grant(this.#window.taken())
    return message
  }

  #grant(count: number): void {
    if (count > 0 && !this.#isComplete) this.#pull?.grant(count)
  }

  // The consumer.

  async #create(): Promise<ConsumerInfo> {
    const filters = this.#isFilteredHere ? ['>'] : this.#definition.filters
    const config = readerConfig({ ...this.#definition, filters }, this.#place(), this.#connection.inbox())
    const consumer = await this.#jsm.consumers.add(this.#definition.stream, config)
    if (this.#isClosed) void this.#delete(consumer.name)
    return consumer
  }

  /** Right behind the last message that arrived. */
  #place(): ResolvedStart {
    return this.#sequence === 0 ? this.#start : { sequence: this.#sequence + 1 }
  }

  #serve(consumer: ConsumerInfo): void {
    this.#number = 0
    this.#isComplete = this.#left === 0 || (!this.#definition.follow && consumer.num_pending === 0)
    if (this.#isComplete) return this.#bell.ring()
    const { name } = consumer
    const listener = {
      onMessage: (message: Msg) => {
        if (this.#consumer?.name === name) this.#receive(message)
      },
      onDoubt: (reason: string) => {
        if (this.#consumer?.name === name) this.#renew(reason)
      },
    }
    const { stream } = this.#definition
    this.#pull = new Pull(this.#connection, listener, { stream, name }, this.#facts.maxMessageBytes)
    this.#pull.resume()
    this.#grant(this.#window.begin(this.#queue.length - this.#next))
  }

  /** Nothing more is heard from the consumer, and it is gone when this resolves, if the server can be reached. */
  async #drop(): Promise<void> {
    const [pull, consumer] = [this.#pull, this.#consumer]
    this.#pull = undefined
    this.#consumer = undefined
    pull?.drop()
    pull?.close()
    if (consumer !== undefined) await this.#delete(consumer.name)
  }

  async #delete(name: string): Promise<void> {
    try {
      const { isConnected, closing } = this.#connection
      if (isConnected || closing.aborted) await this.#jsm.consumers.delete(this.#definition.stream, name)
    } catch {
      // It is gone already, or the server will forget it.
    }
  }

  // Arrivals: inside the client, which a throw would harm (JS-F5).

  #receive(received: Msg): void {
    const facts = parseAckSubject(received.reply ?? '')
    if (facts === undefined || this.#isComplete) return
    if (facts.consumerSequence !== this.#number + 1) return this.#renew('a message did not arrive')
    this.#number++
    this.#sequence = facts.sequence
    this.#time = facts.time
    const isLeft = this.#isLeft(facts)
    if (isLeft) this.#left--
    if (isLeft && this.#isWanted(received.subject)) {
      this.#queue.push(toStored(facts, received.subject, headerText(received), received.data))
      this.#window.arrived(received.data.byteLength)
    } else this.#grant(this.#window.taken())
    if ((facts.pending === 0 && !this.#definition.follow) || this.#left === 0) this.#isComplete = true
    this.#bell.ring()
  }

  /** False for what newer messages had replaced when an interrupted reading of the newest ones began. */
  #isLeft({ sequence }: DeliveryFacts): boolean {
    return this.#newest === undefined || sequence > this.#facts.lastSequence || this.#newest.has(sequence)
  }

  #isWanted(subject: string): boolean {
    return !this.#isFilteredHere || this.#definition.filters.some((filter) => match(filter, subject))
  }

  // Beginning anew.

  #renew(reason: string): void {
    if (this.#isClosed || this.#isComplete || this.#isRenewing || this.#consumer === undefined) return
    this.#isRenewing = true
    const { logger } = this.#connection.host
    logger.log('debug', 'a reader begins anew', { stream: this.#definition.stream, sequence: this.#sequence, reason })
    void this.#drop()
    void this.#makeAnew().finally(() => {
      this.#isRenewing = false
    })
  }

  async #makeAnew(): Promise<void> {
    const { follow } = this.#definition
    const isOver = (): boolean => this.#isClosed
    const withinMs = follow ? Number.POSITIVE_INFINITY : PATIENCE_MS
    const task = async (): Promise<ConsumerInfo> => {
      await this.#findPlace()
      return this.#create()
    }
    try {
      const consumer = await patiently(this.#connection, this.#what, task, { withinMs, alsoIfMissing: follow, isOver })
      if (this.#isClosed || consumer === undefined) return
      this.#consumer = consumer
      this.#serve(consumer)
    } catch (thrown) {
      this.#failure = thrown
      this.#bell.ring()
    }
  }

  /** The stream may be another one than it was, or shorter. */
  async #findPlace(): Promise<void> {
    const { stream, follow } = this.#definition
    const { createdAt, lastSequence, maxMessageBytes } = await lookAt(this.#connection, stream)
    const isAnother = createdAt !== this.#facts.createdAt
    this.#facts = { ...this.#facts, createdAt, maxMessageBytes }
    if (isAnother) {
      if (!follow) throw failure(this.#what, 'BUS_NOT_FOUND', 'the stream was deleted meanwhile. Read it again')
      this.#warn('a stream was made anew: its reader begins at its beginning')
      this.#beginAt('all')
    } else if (lastSequence < this.#sequence) {
      // What is stored under these numbers from now on is new (JS-C3).
      this.#warn('a stream has lost its end: its reader goes on by time')
      this.#beginAt({ timeMs: this.#time + 1 })
    } else if (this.#start === 'last-per-subject') {
      this.#newest = await this.#findNewest()
      if (!follow) this.#left = this.#newest.size
      this.#start = { sequence: this.#sequence + 1 }
    }
  }

  #beginAt(start: ResolvedStart): void {
    this.#start = start
    this.#newest = undefined
    this.#sequence = 0
  }

  /** What is left of the newest messages of each subject, as they were when the reading began: no consumer can be asked for them. */
  async #findNewest(): Promise<ReadonlySet<number>> {
    const newest = new Map<string, number>()
    const rest = { ...this.#definition, follow: false, headersOnly: true }
    const reader = new OrderedReader(this.#connection, rest, { sequence: this.#sequence + 1 }, this.#facts)
    try {
      await reader.open()
      for (let message = await reader.next(); message !== undefined; message = await reader.next()) {
        if (message.sequence > this.#facts.lastSequence) break
        newest.set(message.subject, message.sequence)
      }
    } finally {
      await reader.close()
    }
    return new Set(newest.values())
  }

  // Messages that will never come, because they were removed.

  #lookLater(): void {
    this.#look ??= this.#connection.host.clock.timer(LOOK_MS, () => void this.#lookNow(), { ref: false })
  }

  async #lookNow(): Promise<void> {
    const consumer = this.#consumer
    try {
      if (consumer === undefined || !this.#connection.isConnected) return
      const { delivered, num_pending } = await this.#jsm.consumers.info(this.#definition.stream, consumer.name)
      if (this.#consumer !== consumer || num_pending > 0 || delivered.consumer_seq > this.#number) return
      this.#isComplete = true
      this.#bell.ring()
    } catch (thrown) {
      if (isMissing(thrown) && this.#consumer === consumer) this.#renew(describeThrown(thrown))
    } finally {
      this.#look = undefined
      if (!this.#isClosed && !this.#isComplete) this.#lookLater()
    }
  }

  #warn(message: string): void {
    this.#connection.host.logger.log('warn', message, { stream: this.#definition.stream, sequence: this.#sequence })
  }
}
