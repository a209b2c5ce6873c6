/**
 * Publishing to streams, without the client's own: one subscription for all answers, one timer for all time limits, a promise for a call
 * instead of several for a message (`performance.md`). Which stream takes a message is in `routes.ts`, order and repetition in
 * `stream-writer.ts`, what an answer says in `ack.ts`; here is what follows from it.
 *
 *   publish -- checked, addressed --> StreamWriter -- sent --> answer --> accepted | rejected | unknown
 *                                          ^--- nobody, silence, link lost ---+
 *
 * An attempt whose answer never came is repeated with the same id, and the first one may turn up as its duplicate. When the id was made
 * for this message it is this call that stored it, so it is reported as no duplicate. With an id of the caller's own nobody can tell,
 * and it is reported as one.
 */
import type { Msg } from '@nats-io/transport-node'
import type { PublishOutcome } from '../../../src/adapter.js'
import { withTimeLimit } from '../../../src/clock.js'
import { BusError, describeThrown } from '../../../src/errors.js'
import type { Outgoing } from '../../../src/message.js'
import type { Connection } from '../connect/connection.js'
import type { JetStreamOptions } from '../connect/options.js'
import { clientFailure, failure, noStream, SERVER, serverFailure } from '../failure.js'
import type { Streams } from '../provision/streams.js'
import { type HeaderBlock, headerBlock } from '../wire.js'
import type { Answer } from './ack.js'
import { Answers } from './answers.js'
import { batchesPay, LEAST_IN_BATCH } from './batches.js'
import type { Dispatch } from './dispatch.js'
import { Call, type Cargo, type Flight } from './flight.js'
import { isSameMessage } from './id-conflict.js'
import { tooLarge } from './message-size.js'
import { Routes, type Target } from './routes.js'
import { NOBODY, type Refusal, setbackOf } from './setback.js'
import { StreamWriter, what } from './stream-writer.js'

const DEFAULT_WINDOW = 1024
const DEFAULT_WAITING_BYTES = 64 * 1024 * 1024
/** What a server takes for a stream that does not say how long it remembers ids (JS-D5). */
const DEFAULT_REMEMBERED_MS = 120_000
const DEDUP_LINE = '\r\nNats-Msg-Id:'

export interface PubAck {
  readonly stream: string
  readonly sequence: number
  readonly duplicate: boolean
}

export class Publisher {
  readonly #connection: Connection
  readonly #routes: Routes
  readonly #answers: Answers
  readonly #options: JetStreamOptions
  readonly #dispatch: Dispatch & { isBatching: boolean }
  readonly #writers = new Map<string, StreamWriter>()
  /** Streams about which the server is being asked. */
  readonly #asking = new Set<StreamWriter>()
  readonly #stops: readonly (() => void)[]
  #maxPayload = 0
  #isClosed = false

  constructor(connection: Connection, streams: Streams, options: JetStreamOptions) {
    this.#connection = connection
    this.#options = options
    this.#routes = new Routes(connection, streams)
    this.#answers = new Answers(connection, {
      onAnswer: (flight, message) => this.#answered(flight, message),
      onBatchAnswer: (id, message) => this.#batchAnswered(id, message),
      onDeaf: (error) => this.#deaf(error),
      onTime: (now) => Math.min(...[...this.#writers.values()].map((writer) => writer.sweep(now))),
    })
    this.#dispatch = {
      get isUp() {
        return connection.isConnected
      },
      window: options.maxPublishing ?? DEFAULT_WINDOW,
      isBatching: false,
      waitingBytes: 0,
      maxWaitingBytes: options.maxWaitingBytes ?? DEFAULT_WAITING_BYTES,
      now: () => connection.host.clock.monotonic(),
      defer: (callback) => connection.host.clock.defer(callback),
      send: (flight) => this.#answers.send(flight),
      sendBatch: (batch) => this.#answers.sendBatch(batch),
      wakeAt: (at) => this.#answers.wakeAt(at),
      onStreamInDoubt: (writer, flight) => void this.#askWhatIsMissing(writer, flight),
    }
    this.#stops = [
      connection.onConnected(() => this.#connected()),
      connection.onLost(() => this.#lost()),
      connection.onDenied((subject, operation, error) => {
        if (operation === 'publish') this.#each((writer) => writer.denied(subject, error))
      }),
    ]
  }

  /** Finds out whether batches pay. By itself for each later connection: its server may sync otherwise, or be older. */
  async learn(): Promise<void> {
    const connection = this.#connection
    if (this.#dispatch.window < LEAST_IN_BATCH || !connection.isConnected) return
    const { server_id: asked } = connection.server
    const pays = await batchesPay(connection, this.#options).catch(() => false)
    if (connection.isConnected && connection.server.server_id === asked) this.#dispatch.isBatching = pays
  }

  /** Whether a stream should take atomic batches. With several replicas its leader syncs for many publishes at once as it is. */
  gainsByBatches({ storage, replicas }: Pick<Target, 'storage' | 'replicas'>): boolean {
    return this.#dispatch.isBatching && storage === 'file' && replicas === 1
  }

  /**
   * Stores messages in order, each in the stream that takes its subject; ends within `timeoutMs`. Rejects only with `BUS_CLOSED`, and then
   * nothing was sent.
   */
  publish(batch: readonly Outgoing[], timeoutMs: number): Promise<readonly PublishOutcome[]> {
    try {
      this.#begin()
    } catch (thrown) {
      return Promise.reject(clientFailure('publish', thrown))
    }
    const now = this.#dispatch.now()
    const call = new Call(batch.length, timeoutMs, now)
    const targets = this.#knownTargets(batch)
    if (targets === undefined) void this.#askFirst(batch, call)
    else this.#addAll(batch, targets, call, now)
    return call.done
  }

  /**
   * Stores one message under a subject of our own. It is repeated after an attempt that may have been stored only if its headers give it a
   * `Nats-Msg-Id`. Rejects only with `BUS_CLOSED`; `refusalOf` of an outcome's error tells what a server said.
   */
  async attempt(
    subject: string,
    stream: string,
    headers: HeaderBlock,
    payload: Uint8Array,
    timeoutMs: number,
  ): Promise<PublishOutcome> {
    this.#begin()
    const now = this.#dispatch.now()
    const call = new Call(1, timeoutMs, now)
    const rememberedMs = Buffer.from(headers.encode()).includes(DEDUP_LINE) ? DEFAULT_REMEMBERED_MS : 0
    const cargo = { stream, subject, headers, payload, message: undefined, rememberedMs, mayBatch: false }
    this.#send(cargo, call, 0, now)
    const [outcome] = await call.done
    return outcome ?? { status: 'unknown', error: closed(cargo) }
  }

  /** As `attempt`, and rejects unless it was accepted. */
  async store(...message: Parameters<Publisher['attempt']>): Promise<PubAck> {
    const outcome = await this.attempt(...message)
    if (outcome.status !== 'accepted') throw outcome.error
    return outcome
  }

  /** Takes nothing more. Resolves when what was under way has ended, or when the time is up. */
  async finish(withinMs: number): Promise<void> {
    this.#isClosed = true
    await withTimeLimit(this.#answers.idle(), withinMs, this.#connection.host.clock)
  }

  /** Ends everything: what was sent as unknown, what was not as rejected. Idempotent. */
  close(): void {
    this.#isClosed = true
    for (const stop of this.#stops) stop()
    this.#each((writer) => writer.close(({ cargo }) => closed(cargo)))
    this.#answers.close()
  }

  #begin(): void {
    if (this.#isClosed) throw new BusError('BUS_CLOSED', '[nats] the adapter is not open')
    this.#maxPayload = this.#connection.server.max_payload
    this.#answers.listen()
  }

  #connected(): void {
    void this.learn()
    this.#each((writer) => writer.pump(this.#dispatch.now()))
  }

  #lost(): void {
    this.#dispatch.isBatching = false
    this.#each((writer) => writer.lost())
  }

  /** Undefined when the server has to be asked for one of them. */
  #knownTargets(batch: readonly Outgoing[]): readonly Target[] | undefined {
    const targets: Target[] = []
    for (const { subject } of batch) {
      const target = this.#routes.known(subject)
      if (target === undefined) return undefined
      targets.push(target)
    }
    return targets
  }

  /** The server is asked for streams that others made before anything is sent, so that the batch keeps its order. */
  async #askFirst(batch: readonly Outgoing[], call: Call): Promise<void> {
    const answers = new Map<string, Target | BusError>()
    const asked = [...new Set(batch.map(({ subject }) => subject))].map(async (subject) => {
      answers.set(subject, await this.#targetOf(subject))
    })
    await withTimeLimit(Promise.all(asked), call.timeoutMs, this.#connection.host.clock)
    const targets = batch.map((message) => {
      return this.#isClosed ? closed(message) : (answers.get(message.subject) ?? unanswered(message, call))
    })
    this.#addAll(batch, targets, call, this.#dispatch.now())
  }

  async #targetOf(subject: string): Promise<Target | BusError> {
    try {
      return this.#routes.known(subject) ?? (await this.#routes.ask(subject)) ?? noStream(subject)
    } catch (thrown) {
      return clientFailure(`publish to ${subject}`, thrown)
    }
  }

  #addAll(batch: readonly Outgoing[], targets: readonly (Target | BusError)[], call: Call, now: number): void {
    batch.forEach((message, at) => {
      const target = targets[at] ?? noStream(message.subject)
      const added = target instanceof BusError ? target : this.#add(message, target, call, at, now)
      if (added !== undefined) call.end(at, { status: 'rejected', error: added })
    })
  }

  /** @returns why it cannot be sent */
  #add(message: Outgoing, target: Target, call: Call, at: number, now: number): BusError | undefined {
    const { name: stream, dedupWindowMs, maxAgeMs } = target
    const { subject, payload } = message
    const headers = headerBlock(message, { stream, dedupId: dedupWindowMs > 0 ? message.dedupId : undefined })
    const refused = tooLarge(message, headers, target, this.#maxPayload)
    if (refused !== undefined) return refused
    const rememberedMs = Math.min(dedupWindowMs, maxAgeMs)
    const mayBatch = this.gainsByBatches(target) && message.isFresh && rememberedMs > 0
    this.#send({ stream, subject, headers, payload, message, rememberedMs, mayBatch }, call, at, now)
    return undefined
  }

  #send(cargo: Cargo, call: Call, at: number, now: number): void {
    this.#writer(cargo.stream).add(this.#answers.flight(cargo, call, at), now)
  }

  #writer(stream: string): StreamWriter {
    let writer = this.#writers.get(stream)
    if (writer === undefined) {
      writer = new StreamWriter(stream, this.#dispatch)
      this.#writers.set(stream, writer)
    }
    return writer
  }

  #each(action: (writer: StreamWriter) => void): void {
    for (const writer of this.#writers.values()) action(writer)
  }

  #answered(flight: Flight, message: Msg): void {
    const writer = this.#writer(flight.cargo.stream)
    const answer = writer.reader.read(message)
    if (answer.kind === 'stored') this.#stored(flight, writer, answer)
    else if (answer.kind === 'nobody') writer.comeBack(flight, NOBODY)
    else if (answer.kind === 'refused') this.#refused(flight, writer, answer)
    else {
      writer.settled(flight)
      const problem = `what answered is not stream ${writer.stream}, so it may be stored or not. Publish it again with the same id`
      flight.doubt(failure(what(flight), 'BUS_UNAVAILABLE', problem))
    }
  }

  #batchAnswered(id: string, message: Msg): void {
    for (const writer of this.#writers.values()) if (writer.batchAnswered(id, message)) return
  }

  #stored(flight: Flight, writer: StreamWriter, answer: Answer & { readonly kind: 'stored' }): void {
    writer.settled(flight)
    const { message } = flight.cargo
    if (!answer.duplicate || message === undefined) flight.accept(answer.sequence, answer.duplicate)
    else if (message.isFresh) flight.accept(answer.sequence, !flight.isInDoubt)
    else void this.#compare(flight, message, answer.sequence)
  }

  async #compare(flight: Flight, message: Outgoing, sequence: number): Promise<void> {
    const { jsm, host } = this.#connection
    const { stream } = flight.cargo
    let isSame: boolean | undefined
    const compared = isSameMessage(jsm, stream, sequence, message).then((same) => {
      isSame = same
    })
    await withTimeLimit(compared, flight.call.expiresAt - this.#dispatch.now(), host.clock)
    if (isSame) return flight.accept(sequence, true)
    if (isSame === undefined) {
      const doubt =
        'its id is known, and nobody said in time whether of the same message. Publish it again with the same id'
      return flight.doubt(failure(what(flight), 'BUS_UNAVAILABLE', doubt))
    }
    const problem = `id "${message.id}" was used in stream ${stream} for another subject or payload. Use a new id`
    flight.reject(failure(what(flight), 'BUS_ID_CONFLICT', problem))
  }

  /**
   * Without a stream nothing can be stored; without a leader only not yet (JS-P3). A 503 does not tell which, and where somebody listens to
   * the subject there is only silence. When nobody knows, the next flight that comes back asks again.
   */
  async #askWhatIsMissing(writer: StreamWriter, { cargo: { subject } }: Flight): Promise<void> {
    if (this.#asking.has(writer)) return
    this.#asking.add(writer)
    try {
      const missing = await this.#routes.whatIsMissing(writer.stream, subject)
      if (missing === 'nothing') return
      this.#routes.forget(writer.stream)
      const isLost = ({ cargo }: Flight): boolean => missing === 'stream' || cargo.subject === subject
      writer.refuseWaiting(isLost, ({ cargo }) => noStream(cargo.subject))
    } catch (thrown) {
      const fields = { stream: writer.stream, error: describeThrown(thrown) }
      this.#connection.host.logger.log('debug', '[nats] nobody says whether a stream exists', fields)
    } finally {
      this.#asking.delete(writer)
    }
  }

  #refused(flight: Flight, writer: StreamWriter, answer: Refusal): void {
    const setback = setbackOf(answer)
    if (setback !== undefined) return writer.comeBack(flight, setback)
    const { errorCode, description } = answer
    if (errorCode === SERVER.expectedStreamMismatch) this.#routes.forget(writer.stream)
    writer.settled(flight)
    flight.refuse(serverFailure(what(flight), errorCode, description))
  }

  #deaf(error: BusError): void {
    this.#each((writer) => writer.close(() => error))
  }
}

function unanswered({ subject }: Outgoing, { timeoutMs }: Call): BusError {
  const problem = `nobody said within ${timeoutMs} ms which stream takes it. Publish it again later`
  return failure(`publish to ${subject}`, 'BUS_UNAVAILABLE', problem)
}

function closed({ subject }: { readonly subject: string }): BusError {
  return failure(`publish to ${subject}`, 'BUS_CLOSED', 'the adapter was closed')
}
