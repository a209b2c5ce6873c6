/**
 * Moves the parked messages of one stream into it when they are due. Any process that declared the stream may do it: they share one
 * durable consumer of the parking stream, so the message of a process that died is moved by another.
 *
 *   (server) -- due soon --> held -- due --> published -- accepted --> removed from the parking stream, acked
 *       ^                      |                 |
 *       +--- due later: nak ---+------ refused: nak
 *
 * Whoever dies in between has it moved again, with the same id: a duplicate in the stream's window. What is due is told by this
 * process's wall clock, and never early by it.
 */
import { AckPolicy, DeliverPolicy, ReplayPolicy } from '@nats-io/jetstream'
import type { Msg } from '@nats-io/transport-node'
import { withTimeLimit } from '../../../src/clock.js'
import { type Due, DueQueue } from '../../../src/due-queue.js'
import { type BusError, describeThrown } from '../../../src/errors.js'
import type { StoredMessage } from '../../../src/message.js'
import type { Connection } from '../connect/connection.js'
import { patiently } from '../connect/patience.js'
import { parseAckSubject } from '../consume/ack-subject.js'
import { ACK, nak } from '../consume/delivery.js'
import { Pull } from '../consume/pull.js'
import { delayedSubject, STATE_STREAM } from '../names.js'
import { removeMessage } from '../provision/provision.js'
import type { Publisher } from '../publish/publisher.js'
import { headerText, toStored } from '../wire.js'
import { dueAtOf, toOutgoing } from './parked.js'

const NS_PER_MS = 1_000_000
/** Longer than anything is held here. */
const ACK_WAIT_MS = 5000
/**
 * What is due so soon is held here instead of on the server, so that messages are moved in the order of their times; what is due later
 * comes back with that much time left.
 */
const [HOLD_MS, LEAD_MS] = [500, 400]
/** Messages held or on their way at once. */
const CREDIT = 256
/** A message whose stream is full, or cannot be reached, is tried again after this long; one that is refused for good, more seldom. */
const [RETRY_MS, REFUSED_RETRY_MS] = [1000, 30_000]
const CLOSE_MS = 2000

/** The consumer that movers of a stream share. */
export const moverName = (stream: string): string => `delayed-${stream}`

interface Held extends Due {
  readonly parked: StoredMessage
  /** Where the server is told what became of it. */
  readonly reply: string
  /** Monotonic ms: the server may hand it to somebody else from then on. */
  readonly expiresAt: number
}

export class Mover {
  /** Subjects of parked messages that are in their stream already. */
  readonly stored = new Set<string>()
  readonly #connection: Connection
  readonly #publisher: Publisher
  readonly #stream: string
  readonly #pull: Pull
  readonly #held = new Map<number, Held>()
  readonly #due: DueQueue<Held>
  readonly #moving = new Set<Promise<void>>()
  readonly #stopListening: () => void
  #isEnsuring = false
  #isClosed = false

  constructor(connection: Connection, publisher: Publisher, stream: string) {
    this.#connection = connection
    this.#publisher = publisher
    this.#stream = stream
    this.#due = new DueQueue(connection.host.clock, (held) => this.#fallDue(held), { ref: false })
    const listener = {
      onMessage: (message: Msg, since: number) => this.#receive(message, since),
      onDoubt: () => void this.#ensureConsumer(),
    }
    const consumer = { stream: STATE_STREAM, name: moverName(stream) }
    this.#pull = new Pull(connection, listener, consumer, connection.server.max_payload)
    this.#stopListening = connection.onConnected(() => this.#pull.restart())
    this.#pull.grant(CREDIT)
    void this.#ensureConsumer()
  }

  /** What is held is given back at once, for another process. */
  async close(): Promise<void> {
    this.#isClosed = true
    this.#stopListening()
    for (const { reply } of this.#due.items()) this.#answer(reply, nak(0))
    this.#due.clear()
    const ended = Promise.all([this.#pull.pause(), ...this.#moving])
    await withTimeLimit(ended, CLOSE_MS, this.#connection.host.clock)
    this.#pull.close()
  }

  /** Creates it where it is missing, however long that takes (JS-C1). */
  async #ensureConsumer(): Promise<void> {
    if (this.#isEnsuring || this.#isClosed) return
    this.#isEnsuring = true
    const config = {
      durable_name: moverName(this.#stream),
      name: moverName(this.#stream),
      filter_subject: delayedSubject(this.#stream, '*'),
      deliver_policy: DeliverPolicy.All,
      replay_policy: ReplayPolicy.Instant,
      ack_policy: AckPolicy.Explicit,
      ack_wait: ACK_WAIT_MS * NS_PER_MS,
      max_ack_pending: -1,
      max_deliver: -1,
    }
    const patience = { withinMs: Number.POSITIVE_INFINITY, alsoIfMissing: true, isOver: () => this.#isClosed }
    try {
      const create = () => this.#connection.jsm.consumers.add(STATE_STREAM, config)
      await patiently(this.#connection, `move delayed messages of ${this.#stream}`, create, patience)
      if (!this.#isClosed) this.#pull.resume()
    } catch (thrown) {
      if (!this.#isClosed) this.#log('delayed messages cannot be moved', { error: describeThrown(thrown) })
    } finally {
      this.#isEnsuring = false
    }
  }

  /** Inside the client, which a throw would harm (JS-F5). */
  #receive(received: Msg, since: number): void {
    const { clock } = this.#connection.host
    const reply = received.reply ?? ''
    const facts = parseAckSubject(reply)
    if (facts === undefined) return
    if (this.#isClosed) return this.#answer(reply, nak(0))
    const parked = toStored(facts, received.subject, headerText(received), received.data)
    const leftMs = dueAtOf(parked) - clock.now()
    if (leftMs > HOLD_MS) {
      this.#answer(reply, nak(leftMs - LEAD_MS))
      this.#pull.grant(1)
      return
    }
    const earlier = this.#held.get(parked.sequence)
    if (earlier !== undefined) this.#letGo(earlier)
    const expiresAt = since + ACK_WAIT_MS
    const held: Held = { parked, reply, expiresAt, dueAt: 0, dueSlot: -1, dueOrder: 0 }
    this.#held.set(parked.sequence, held)
    this.#due.add(held, clock.monotonic() + leftMs)
  }

  #fallDue(held: Held): void {
    const { clock } = this.#connection.host
    const leftMs = dueAtOf(held.parked) - clock.now()
    // The wall clock may have been set back meanwhile.
    if (leftMs > 0) return this.#due.add(held, clock.monotonic() + leftMs)
    // The process was suspended: somebody else has it.
    if (clock.monotonic() >= held.expiresAt) return this.#letGo(held)
    const moving = this.#move(held).finally(() => {
      this.#moving.delete(moving)
      this.#letGo(held)
    })
    this.#moving.add(moving)
  }

  async #move(held: Held): Promise<void> {
    const { parked, reply, expiresAt } = held
    const { clock } = this.#connection.host
    try {
      const error = this.stored.has(parked.subject)
        ? undefined
        : await this.#publish(parked, expiresAt - clock.monotonic())
      if (error !== undefined) {
        this.#answer(reply, nak(error.retryable ? RETRY_MS : REFUSED_RETRY_MS))
        return
      }
      this.stored.add(parked.subject)
      await removeMessage(this.#connection.jsm, STATE_STREAM, parked.sequence)
      this.stored.delete(parked.subject)
      this.#answer(reply, ACK)
    } catch (thrown) {
      this.#log('a delayed message is moved again', { id: parked.id, error: describeThrown(thrown) })
      this.#answer(reply, nak(RETRY_MS))
    }
  }

  /** @returns why it is not in its stream */
  async #publish(parked: StoredMessage, timeoutMs: number): Promise<BusError | undefined> {
    const message = toOutgoing(parked)
    if (message === undefined) {
      this.#log('a message that nobody parked is thrown away', { id: parked.id, subject: parked.subject })
      return undefined
    }
    const [outcome] = await this.#publisher.publish([message], Math.max(1, timeoutMs))
    if (outcome === undefined || outcome.status === 'accepted') return undefined
    const { error } = outcome
    this.#log('a delayed message waits for its stream', { id: parked.id, error: describeThrown(error) })
    return error
  }

  #letGo(held: Held): void {
    this.#due.remove(held)
    if (this.#held.get(held.parked.sequence) === held) this.#held.delete(held.parked.sequence)
    this.#pull.grant(1)
  }

  #answer(reply: string, word: Uint8Array): void {
    if (this.#connection.isConnected) this.#connection.nats.publish(reply, word)
  }

  #log(message: string, fields: Readonly<Record<string, string>>): void {
    this.#connection.host.logger.log('warn', message, { stream: this.#stream, ...fields })
  }
}
