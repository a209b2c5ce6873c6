/**
 * Messages that a feed handed back, or that an earlier feed left unsettled, and that were not seen again. No server tells when such a
 * message was settled elsewhere or removed; here it is found out from what the server says of the consumer as a whole.
 */
import type { ConsumerInfo } from '@nats-io/jetstream'
import type { StoredMessage } from '../../../src/message.js'
import type { Connection } from '../connect/connection.js'
import { findMessage } from '../provision/provision.js'
import type { Earlier } from './held.js'

/** Messages whose existence is checked in one look. */
const MAX_CHECKS = 50

export interface AwayMessage extends Earlier {
  readonly message: StoredMessage
  /** The hand-out that ended so; undefined when it was another feed's. */
  readonly count: number | undefined
}

/** A message that was not settled here for good. */
export interface Unsettled {
  readonly message: StoredMessage
  /** Nobody else can have settled it. */
  readonly isOurs: boolean
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

  /** What this feed handed back itself. */
  *returned(): Iterable<Unsettled> {
    for (const away of this.#messages.values()) if (away.count !== undefined) yield away
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
    for (const message of strange) this.add({ message, count: undefined, attempts: 0, isOurs: false })
    return strange
  }

  /**
   * What will not come back. What lies at or below the floor is settled; when the server counts no more unsettled messages than must be
   * so, nothing else is; and when it counts fewer than are known here, some of them may have been removed. Beyond what it has handed out
   * it will deliver everything: a server that was killed may have forgotten hand-outs, and those messages come as new ones.
   * @param known messages that were unsettled here before the server was asked, and still are. It has counted each that it handed out,
   *   unless another feed that was handed it before has settled it since
   */
  async findGone(info: ConsumerInfo, known: readonly Unsettled[]): Promise<readonly StoredMessage[]> {
    const { num_ack_pending: unsettled, delivered } = info
    const all = [...this.#messages.values()].filter(({ message }) => message.sequence <= delivered.stream_seq)
    const strange = all.filter(({ count }) => count === undefined)
    const counted = known.filter(({ message }) => message.sequence <= delivered.stream_seq)
    const below = all.filter(({ message }) => message.sequence <= info.ack_floor.stream_seq)
    const settled = unsettled <= counted.filter(({ isOurs }) => isOurs).length ? [...below, ...strange] : below
    const removed = unsettled < counted.length ? await this.#findRemoved() : []
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
