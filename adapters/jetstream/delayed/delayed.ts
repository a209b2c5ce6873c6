/**
 * Publishing with a delay, on every server: the message is parked in a stream of ours and moved when it is due (ADR 0005). What lies
 * there is `parked.ts`, moving it is `mover.ts`; here is who accepts a message, and which streams this process moves messages of.
 *
 *   unattended -- watch(), publish() --> listening -- something is parked, or is being parked --> moving
 */
import type { Subscription } from '@nats-io/transport-node'
import type { PublishOutcome } from '../../../src/adapter.js'
import { withTimeLimit } from '../../../src/clock.js'
import { type BusError, describeThrown } from '../../../src/errors.js'
import type { Outgoing, StoredMessage } from '../../../src/message.js'
import type { ResolvedStream } from '../../../src/topology.js'
import type { Connection } from '../connect/connection.js'
import { patiently } from '../connect/patience.js'
import { clientFailure, failure, isMissing, noStream, refusalOf, SERVER } from '../failure.js'
import { delayedSubject, STATE_STREAM } from '../names.js'
import type { Streams } from '../provision/streams.js'
import { tooLarge } from '../publish/message-size.js'
import type { Publisher } from '../publish/publisher.js'
import { Routes, type Target } from '../publish/routes.js'
import { getMessage } from '../read/message-get.js'
import type { HeaderBlock } from '../wire.js'
import { Mover, moverName } from './mover.js'
import { isSameContent, parkingHeaders, parkingSubject } from './parked.js'

const WATCH_MS = 5000
/** Before a message whose parking is in doubt is parked again. */
const PAUSE_MS = 50

type Rejected = PublishOutcome & { readonly error: BusError }

export class Delayed {
  readonly #connection: Connection
  readonly #publisher: Publisher
  readonly #routes: Routes
  /** What was heard last of a stream: a subscription while nothing is parked, then a mover. */
  readonly #listening = new Map<string, Subscription>()
  readonly #movers = new Map<string, Mover>()
  readonly #stopListening: () => void
  #isClosed = false

  constructor(connection: Connection, streams: Streams, publisher: Publisher) {
    this.#connection = connection
    this.#publisher = publisher
    this.#routes = new Routes(connection, streams)
    this.#stopListening = connection.onConnected(() => void this.#lookAgain())
  }

  /** Moves messages of these streams from now on, whoever parks them. */
  async watch(streams: readonly ResolvedStream[]): Promise<void> {
    await Promise.all(streams.map(({ name }) => this.#attend(name)))
  }

  /** Its position is 0: it has none yet. A message that its stream has already is found out only when it is due. */
  async publish(message: Outgoing, timeoutMs: number): Promise<PublishOutcome> {
    const { nats, host } = this.#connection
    const expiresAt = host.clock.monotonic() + timeoutMs
    // A ms more, because clocks count whole ones.
    const headers = parkingHeaders(message, Math.ceil(host.clock.now() + message.delayMs) + 1)
    try {
      const target = await this.#targetOf(message.subject, timeoutMs)
      const problem = tooLarge(message, headers, target, nats.info?.max_payload ?? Number.POSITIVE_INFINITY)
      if (problem !== undefined) return { status: 'rejected', error: problem }
      this.#move(target.name)
      return await this.#park(message, target.name, headers, expiresAt)
    } catch (thrown) {
      return { status: 'rejected', error: clientFailure(`publish to ${message.subject}`, thrown) }
    }
  }

  /** Messages of a stream that are parked now. */
  async count(stream: string): Promise<number> {
    const stored = this.#movers.get(stream)?.stored ?? new Set()
    const before = new Set(stored)
    const query = { subjects_filter: delayedSubject(stream, '*') }
    const { state } = await this.#connection.jsm.streams.info(STATE_STREAM, query)
    // What is being removed at this moment has been delivered already.
    return Object.keys(state.subjects ?? {}).filter((subject) => !before.has(subject) && !stored.has(subject)).length
  }

  /** What is held is given back. Resolves when others can have it. */
  async close(): Promise<void> {
    this.#isClosed = true
    this.#stopListening()
    for (const subscription of this.#listening.values()) subscription.unsubscribe()
    this.#listening.clear()
    await Promise.all([...this.#movers.values()].map((mover) => mover.close()))
  }

  // Parking.

  async #targetOf(subject: string, withinMs: number): Promise<Target> {
    const known = this.#routes.known(subject)
    if (known !== undefined) return known
    const what = `publish to ${subject}`
    let isAnswered = false
    let found: Target | undefined
    const ask = async (): Promise<void> => {
      found = await patiently(this.#connection, what, () => this.#routes.ask(subject), { withinMs })
      isAnswered = true
    }
    await withTimeLimit(ask(), withinMs, this.#connection.host.clock)
    if (!isAnswered) throw failure(what, 'BUS_UNAVAILABLE', 'the server did not say which stream takes it')
    if (found === undefined) throw noStream(subject)
    return found
  }

  /** Parking it twice parks it once, so it is tried until its time is up. */
  async #park(message: Outgoing, stream: string, headers: HeaderBlock, expiresAt: number): Promise<PublishOutcome> {
    const { clock } = this.#connection.host
    const subject = parkingSubject(stream, message)
    for (let isDoubtful = false; ; ) {
      const leftMs = Math.max(1, expiresAt - clock.monotonic())
      const outcome = await this.#publisher.attempt(subject, STATE_STREAM, headers, message.payload, leftMs)
      if (outcome.status === 'accepted') return { status: 'accepted', stream, sequence: 0, duplicate: false }
      const earlier = isTaken(outcome.error) ? await this.#find(subject) : undefined
      if (earlier !== undefined) return judged(message, stream, earlier)
      isDoubtful ||= outcome.status === 'unknown'
      const mayHelp = outcome.status === 'unknown' || isTaken(outcome.error)
      if (!mayHelp || this.#isClosed || clock.monotonic() + PAUSE_MS >= expiresAt)
        return ended(outcome, isDoubtful, message)
      await new Promise<void>((resolve) => void clock.timer(PAUSE_MS, resolve))
    }
  }

  async #find(subject: string): Promise<StoredMessage | undefined> {
    return getMessage(this.#connection.jsm, STATE_STREAM, { last_by_subj: subject }).catch(() => undefined)
  }

  // Attending to streams.

  /** What is parked passes by as a live message, so a stream without any costs a subscription and no pulling. */
  async #attend(stream: string): Promise<void> {
    if (this.#movers.has(stream) || this.#isClosed) return
    if (!this.#listening.has(stream)) {
      const callback = (error: Error | null): void => {
        if (error === null) this.#move(stream)
      }
      this.#listening.set(stream, this.#connection.nats.subscribe(delayedSubject(stream, '*'), { callback }))
    }
    const look = () => this.#isAnythingParked(stream)
    const isNeeded = await patiently(this.#connection, `look for delayed messages of ${stream}`, look, {
      withinMs: WATCH_MS,
      isOver: () => this.#isClosed,
    })
    if (isNeeded === true) this.#move(stream)
  }

  /** Or was once: then a mover waits for more, since a passing message can be missed. */
  async #isAnythingParked(stream: string): Promise<boolean> {
    try {
      await this.#connection.jsm.consumers.info(STATE_STREAM, moverName(stream))
      return true
    } catch (thrown) {
      if (!isMissing(thrown)) throw thrown
      return (await this.count(stream)) > 0
    }
  }

  #move(stream: string): void {
    if (this.#movers.has(stream) || this.#isClosed) return
    this.#listening.get(stream)?.unsubscribe()
    this.#listening.delete(stream)
    this.#movers.set(stream, new Mover(this.#connection, this.#publisher, stream))
  }

  /** Messages may have been parked while nobody could be heard. */
  async #lookAgain(): Promise<void> {
    try {
      await Promise.all([...this.#listening.keys()].map((stream) => this.#attend(stream)))
    } catch (thrown) {
      const { logger } = this.#connection.host
      logger.log('warn', 'delayed messages cannot be looked for', { error: describeThrown(thrown) })
    }
  }
}

/** Something is parked under this id, or is being parked. */
function isTaken(error: BusError): boolean {
  const code = refusalOf(error)
  return code === SERVER.wrongLastSequence || code === SERVER.wrongLastSequenceUnknown
}

function judged(message: Outgoing, stream: string, earlier: StoredMessage): PublishOutcome {
  if (isSameContent(message, earlier)) return { status: 'accepted', stream, sequence: 0, duplicate: !message.isFresh }
  const problem = `id "${message.id}" is used by a delayed message of another subject or payload. Use a new id`
  return { status: 'rejected', error: failure(`publish to ${message.subject}`, 'BUS_ID_CONFLICT', problem) }
}

function ended({ status, error }: Rejected, isDoubtful: boolean, { subject }: Outgoing): PublishOutcome {
  if (isDoubtful) return { status: 'unknown', error }
  if (status !== 'rejected' || error.code !== 'BUS_NO_STREAM') return { status: 'rejected', error }
  const problem = `stream ${STATE_STREAM}, which keeps delayed messages, was removed. Connect again to have it made`
  return { status, error: failure(`publish to ${subject}`, 'BUS_NOT_FOUND', problem, error) }
}
