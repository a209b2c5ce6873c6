/**
 * Messages that a feed handed back, or that an earlier feed left unsettled, and that were not seen again. No server tells when such a
 * message was settled elsewhere or removed; here it is found out from what the server says of the consumer as a whole.
 */
import type { ConsumerInfo } from '@nats-io/jetstream'
import type { StoredMessage } from '../../../src/message.js'
import type { Connection } from '../connect/connection.js'
import { findMessage } from '../provision/provision.js'

/** Messages whose existence is checked in one look. */
const MAX_CHECKS = 50

export interface AwayMessage {
  readonly message: StoredMessage
  /** The hand-out that ended so; undefined when it was another feed's. */
  readonly count: number | undefined
  /** Attempts that count so far. */
  readonly attempts: number
}

export class Away {
  readonly #connection: Connection
  readonly #messages = new Map<number, AwayMessage>()

  constructor(connection: Connection) {
    this.#connection = connection
  }

  get size(): number {
    return this.#messages.size
  }

  get(sequence: number): AwayMessage | undefined {
    return this.#messages.get(sequence)
  }

  add(away: AwayMessage): void {
    this.#messages.set(away.message.sequence, away)
  }

  /** Sequences of what this feed handed back itself. */
  *returned(): Iterable<number> {
    for (const [sequence, { count }] of this.#messages) if (count !== undefined) yield sequence
  }

  /** It came back, or was settled here. @returns whether it was away */
  delete(sequence: number): boolean {
    return this.#messages.delete(sequence)
  }

  /** Forgets everything. @returns what it was */
  clear(): readonly StoredMessage[] {
    const all = [...this.#messages.values()].map(({ message }) => message)
    this.#messages.clear()
    return all
  }

  /** Adds what another feed may have left. @returns those that were not known */
  expect(messages: readonly StoredMessage[]): readonly StoredMessage[] {
    const strange = messages.filter(({ sequence }) => !this.#messages.has(sequence))
    for (const message of strange) this.add({ message, count: undefined, attempts: 0 })
    return strange
  }

  /**
   * What will not come back. What lies at or below the floor is settled; and when the server counts fewer unsettled messages than are
   * known here, some of them are gone. Beyond what it has handed out it will deliver everything: a server that was killed may have
   * forgotten hand-outs, and those messages come as new ones.
   * @param known messages that were unsettled here before the server was asked, and still are: it has counted each that it handed out
   */
  async findGone(info: ConsumerInfo, known: readonly number[]): Promise<readonly StoredMessage[]> {
    const reached = info.delivered.stream_seq
    const all = [...this.#messages.values()].filter(({ message }) => message.sequence <= reached)
    const strange = all.filter(({ count }) => count === undefined)
    const counted = known.filter((sequence) => sequence <= reached).length
    const below = all.filter(({ message }) => message.sequence <= info.ack_floor.stream_seq)
    const settled = info.num_ack_pending <= counted ? [...below, ...strange] : below
    const removed = info.num_ack_pending < counted ? await this.#findRemoved() : []
    const gone = [...settled.map(({ message }) => message), ...removed]
    return gone.filter(({ sequence }) => this.delete(sequence))
  }

  async #findRemoved(): Promise<readonly StoredMessage[]> {
    const removed: StoredMessage[] = []
    for (const { message } of [...this.#messages.values()].slice(0, MAX_CHECKS)) {
      const found = await findMessage(this.#connection.jsm, message.stream, message.sequence)
      if (found === undefined) removed.push(message)
    }
    return removed
  }
}
