/**
 * Which stream the deliveries of a feed are of. In one that was deleted and made again positions begin anew (JS-C4): what settles a message
 * of the old one would settle a stranger in the new one.
 */
import type { ConsumerInfo } from '@nats-io/jetstream'
import type { Connection } from '../connect/connection.js'
import { findStream } from '../provision/provision.js'

export class Origin {
  readonly #connection: Connection
  readonly #stream: string
  #consumerCreated: string
  /** When the stream was made: another time means another stream. */
  created: string
  /** Everything of this stream up to here was settled when the server was last asked. */
  floor: number

  /** @param created when the stream was made */
  constructor(
    connection: Connection,
    created: string,
    { stream_name: stream, created: consumerCreated, ack_floor }: ConsumerInfo,
  ) {
    this.#connection = connection
    this.#stream = stream
    this.created = created
    this.#consumerCreated = consumerCreated
    this.floor = ack_floor.stream_seq
  }

  /** What the consumer has settled. An answer about an earlier consumer tells nothing of this one. */
  observe({ created, ack_floor }: ConsumerInfo): void {
    if (created === this.#consumerCreated) this.floor = ack_floor.stream_seq
  }

  /** Somebody else may have made stream and consumer again. @returns whether it is another stream than before */
  async hasChanged({ created }: ConsumerInfo): Promise<boolean> {
    if (created === this.#consumerCreated) return false
    const found = await findStream(this.#connection.jsm, this.#stream)
    if (found === undefined) return false
    this.#consumerCreated = created
    return this.isAnother(found.created)
  }

  /** @param created when the stream there now was made @returns whether it is another one than before */
  isAnother(created: string): boolean {
    const isAnother = created !== this.created
    this.created = created
    if (isAnother) this.floor = 0
    return isAnother
  }
}
