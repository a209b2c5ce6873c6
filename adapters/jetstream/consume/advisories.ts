/**
 * Hints from the server about consumers that others have made: at their limit of deliveries a message stays where it is, delivered to
 * nobody, and this lossy notice is all that is said of it (JS-S6, JS-S9). Our own consumers have no such limit. It is logged, and nothing
 * follows from it.
 */
import type { Msg } from '@nats-io/transport-node'
import type { Connection } from '../connect/connection.js'

const MAX_DELIVERIES = '$JS.EVENT.ADVISORY.CONSUMER.MAX_DELIVERIES'

interface Notice {
  readonly stream: string
  readonly consumer: string
  readonly stream_seq: number
  readonly deliveries: number
}

export class Advisories {
  readonly #connection: Connection
  readonly #watched = new Set<string>()

  constructor(connection: Connection) {
    this.#connection = connection
  }

  /** Idempotent. Ends with the connection. */
  watch(stream: string): void {
    if (this.#watched.has(stream)) return
    this.#watched.add(stream)
    this.#connection.nats.subscribe(`${MAX_DELIVERIES}.${stream}.*`, {
      callback: (error, message) => {
        if (error === null) this.#tell(message)
      },
    })
  }

  #tell(message: Msg): void {
    const { logger } = this.#connection.host
    try {
      const { stream, consumer, stream_seq: sequence, deliveries } = message.json<Notice>()
      const fields = { stream, consumer, sequence, deliveries }
      logger.log('warn', 'a consumer has used up its deliveries of a message, which stays undelivered', fields)
    } catch {
      logger.log('debug', 'an advisory could not be read', { subject: message.subject })
    }
  }
}
