/** A message in a stream: what was published, and the place and time it was given. */
import type { Headers, Outgoing, StoredMessage } from '../../src/message.js'

export class KeptMessage implements StoredMessage {
  readonly stream: string
  readonly sequence: number
  readonly time: number
  readonly #published: Outgoing

  constructor(stream: string, sequence: number, time: number, published: Outgoing) {
    this.stream = stream
    this.sequence = sequence
    this.time = time
    this.#published = published
  }

  get id(): string {
    return this.#published.id
  }
  get isFresh(): boolean {
    return this.#published.isFresh
  }
  get subject(): string {
    return this.#published.subject
  }
  get key(): string | undefined {
    return this.#published.key
  }
  get headers(): Headers {
    return this.#published.headers
  }
  get payload(): Uint8Array {
    return this.#published.payload
  }
  get text(): string | undefined {
    return this.#published.text
  }
}
