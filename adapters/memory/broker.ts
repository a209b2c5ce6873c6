/**
 * The server that the memory adapter is a client of: streams, delayed messages and live listeners, shared by every adapter that is given
 * the same broker. Two adapters on one broker behave like two processes on one NATS server.
 */
import type { ProvisionReport, PublishOutcome } from '../../src/adapter.js'
import { type Clock, systemClock } from '../../src/clock.js'
import { type Due, DueQueue } from '../../src/due-queue.js'
import { BusError } from '../../src/errors.js'
import type { Outgoing, StoredMessage } from '../../src/message.js'
import { overlap } from '../../src/subject.js'
import { SubjectIndex } from '../../src/subject-index.js'
import { assertDisjoint, difference, type ResolvedConsumer, type ResolvedStream } from '../../src/topology.js'
import { MemoryConsumer } from './consumer.js'
import { Live } from './live.js'
import { MemoryStream } from './stream.js'

/** A delayed message whose stream is full when its time comes tries again after this long. */
const FULL_RETRY_MS = 1000

interface Delayed extends Due {
  readonly message: Outgoing
  readonly stream: MemoryStream
}

export class MemoryBroker {
  readonly streams = new Map<string, MemoryStream>()
  readonly live: Live
  readonly clock: Clock
  readonly #bySubject = new SubjectIndex<MemoryStream>()
  readonly #subjectsOf = new Map<MemoryStream, (() => void)[]>()
  readonly #delayed: DueQueue<Delayed>

  /** @param options `clock`: the one that its buses have */
  constructor(options: { readonly clock?: Clock } = {}) {
    this.clock = options.clock ?? systemClock
    this.live = new Live(this.clock)
    this.#delayed = new DueQueue(this.clock, (delayed) => this.#storeDelayed(delayed))
  }

  /** All or nothing: a conflict in one stream leaves every stream as it was. */
  provision(definitions: readonly ResolvedStream[]): ProvisionReport {
    for (const definition of definitions) this.#assertProvisionable(definition)
    const report = { created: [] as string[], updated: [] as string[], unchanged: [] as string[] }
    for (const definition of definitions) {
      const stream = this.streams.get(definition.name)
      if (stream === undefined) report.created.push(this.#create(definition))
      else if (difference(definition, stream.definition) === undefined) report.unchanged.push(definition.name)
      else report.updated.push(this.#update(stream, definition))
    }
    return report
  }

  #assertProvisionable(definition: ResolvedStream): void {
    for (const other of this.streams.values()) {
      if (other.definition.name !== definition.name) assertDisjoint(definition, other.definition)
      else assertImmutable(definition, other.definition)
    }
  }

  #create(definition: ResolvedStream): string {
    const stream = new MemoryStream(definition, this.clock)
    stream.onStored = (message) => this.#passBy(message)
    this.streams.set(definition.name, stream)
    this.#route(stream)
    return definition.name
  }

  #update(stream: MemoryStream, definition: ResolvedStream): string {
    stream.update(definition)
    this.#route(stream)
    return definition.name
  }

  #route(stream: MemoryStream): void {
    for (const remove of this.#subjectsOf.get(stream) ?? []) remove()
    this.#subjectsOf.set(
      stream,
      stream.definition.subjects.map((subject) => this.#bySubject.add(subject, stream)),
    )
  }

  /** In order. A list of one is left to the caller: this function allocates a closure, which single publishes can do without. */
  publishAll(messages: readonly Outgoing[]): PublishOutcome[] {
    return messages.map((message) => this.publish(message))
  }

  publish(message: Outgoing): PublishOutcome {
    const stream = this.#bySubject.match(message.subject)[0]
    if (stream === undefined) return { status: 'rejected', error: noStream(message.subject) }
    if (message.delayMs === 0) return stream.publish(message)
    const outcome = stream.admit(message)
    if (outcome.status === 'accepted' && !outcome.duplicate)
      this.#delay({ message, stream, dueAt: 0, dueSlot: -1, dueOrder: 0 })
    return outcome
  }

  /** Finds or creates the durable consumer. */
  consumer(definition: ResolvedConsumer): MemoryConsumer {
    const stream = this.stream(definition.stream)
    const existing = stream.consumers.find((consumer) => consumer.definition.name === definition.name)
    if (existing !== undefined) {
      const differs = difference(definition, existing.definition)
      if (differs === undefined) return existing
      throw conflict(
        `consumer ${definition.name} of stream ${definition.stream} exists with another definition: ${differs}`,
      )
    }
    if (stream.definition.retention === 'workqueue') assertAlone(definition, stream)
    const consumer = new MemoryConsumer(definition, stream, this.clock)
    stream.consumers.push(consumer)
    return consumer
  }

  /** Throws `BUS_NOT_FOUND`. */
  stream(name: string): MemoryStream {
    const stream = this.streams.get(name)
    if (stream !== undefined) return stream
    throw new BusError('BUS_NOT_FOUND', `[memory] there is no stream ${name}. Declare it in the bus's streams`)
  }

  /** Forgets everything, as the end of the process would. */
  close(): void {
    this.#delayed.clear()
    for (const stream of this.streams.values()) stream.close()
    this.streams.clear()
  }

  #delay(delayed: Delayed): void {
    delayed.stream.delayed++
    this.#delayed.add(delayed, this.clock.monotonic() + delayed.message.delayMs)
  }

  #storeDelayed(delayed: Delayed): void {
    if (delayed.stream.storeAdmitted(delayed.message)) delayed.stream.delayed--
    else this.#delayed.add(delayed, this.clock.monotonic() + FULL_RETRY_MS)
  }

  #passBy(message: StoredMessage): void {
    if (this.live.isEmpty) return
    const { subject, id, key, headers, payload } = message
    this.live.emit({ subject, id, key, headers, payload })
  }
}

/** What a NATS server refuses to change on an existing stream. */
function assertImmutable(wanted: ResolvedStream, actual: ResolvedStream): void {
  for (const field of ['storage', 'retention'] as const) {
    if (wanted[field] === actual[field]) continue
    throw conflict(
      `stream ${wanted.name}: ${field} is ${actual[field]} and cannot become ${wanted[field]}. Use a new stream`,
    )
  }
}

/** In a work queue every message has one consumer, so no two may take the same subject. */
function assertAlone(definition: ResolvedConsumer, stream: MemoryStream): void {
  for (const other of stream.consumers) {
    const shared = definition.filters.find((mine) => other.definition.filters.some((theirs) => overlap(mine, theirs)))
    if (shared === undefined) continue
    throw conflict(
      `consumer ${definition.name}: ${shared} is taken by consumer ${other.definition.name}, and stream ${definition.stream} is a work queue. Narrow one filter`,
    )
  }
}

function conflict(problem: string): BusError {
  return new BusError('BUS_CONFLICT', `[memory] ${problem}`)
}

function noStream(subject: string): BusError {
  const first = subject.split('.')[0] ?? subject
  return new BusError(
    'BUS_NO_STREAM',
    `[memory] publish to ${subject}: no stream takes this subject. Declare one with subjects ["${first}.>"]`,
  )
}
