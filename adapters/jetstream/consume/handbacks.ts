/**
 * How often messages were handed back unstarted. The server counts every hand-out (JS-S4), and a hand-back must cost no attempt, so the
 * difference is kept on the server too, where the next process finds it. Written at hand-backs, read at redeliveries that this process
 * does not know; both are rare.
 */
import { describeThrown } from '../../../src/errors.js'
import { NO_HEADERS, type StoredMessage } from '../../../src/message.js'
import type { Connection } from '../connect/connection.js'
import { isMissing } from '../failure.js'
import { releasedSubject, STATE_STREAM } from '../names.js'
import type { Publisher } from '../publish/publisher.js'
import { headerBlock } from '../wire.js'
import type { JetStreamDelivery } from './delivery.js'

const TIMEOUT_MS = 2000

export class Handbacks {
  readonly #connection: Connection
  readonly #publisher: Publisher
  readonly #consumer: string

  constructor(connection: Connection, publisher: Publisher, consumer: string) {
    this.#connection = connection
    this.#publisher = publisher
    this.#consumer = consumer
  }

  /** Hand-outs of a message that were no attempts; 0 when nobody can tell. */
  async count(message: StoredMessage): Promise<number> {
    const subject = this.#subject(message)
    try {
      const record = await this.#connection.jsm.streams.getMessage(STATE_STREAM, { last_by_subj: subject })
      return record === null ? 0 : Number(record.string())
    } catch (thrown) {
      if (!isMissing(thrown)) this.#log('hand-backs cannot be read; they count as attempts', thrown)
      return 0
    }
  }

  /** Before the delivery is handed back: the next one will be the same attempt. Never rejects. */
  async record(delivery: JetStreamDelivery): Promise<void> {
    try {
      await this.#store(delivery)
    } catch (thrown) {
      this.#log('a hand-back cannot be recorded; it counts as an attempt', thrown)
    }
  }

  async #store(delivery: JetStreamDelivery): Promise<void> {
    const subject = this.#subject(delivery.message)
    const count = delivery.count + 1 - delivery.attempt
    const addressing = { stream: STATE_STREAM, dedupId: undefined }
    const headers = headerBlock({ id: subject, key: undefined, headers: NO_HEADERS }, addressing)
    await this.#publisher.store(subject, STATE_STREAM, headers, Buffer.from(String(count)), TIMEOUT_MS)
  }

  /** After the message was settled for good. Not awaited: a record that stays harms nobody. */
  forget(message: StoredMessage): void {
    this.#connection.jsm.streams.purge(STATE_STREAM, { filter: this.#subject(message) }).catch(() => {})
  }

  #log(message: string, thrown: unknown): void {
    const fields = { consumer: this.#consumer, error: describeThrown(thrown) }
    this.#connection.host.logger.log('warn', message, fields)
  }

  #subject({ stream, sequence }: StoredMessage): string {
    return releasedSubject(stream, this.#consumer, sequence)
  }
}
