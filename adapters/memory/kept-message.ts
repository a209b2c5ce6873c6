/**
 * A message in a stream: what was published, and the place and time it was given. One flat object, because there may be millions and each is
 * moved by the collector before it is old.
 */
import type { Headers, Outgoing, StoredMessage } from '../../src/message.js'

export class KeptMessage implements StoredMessage {
  readonly stream: string
  readonly sequence: number
  readonly time: number
  readonly id: string
  readonly isFresh: boolean
  readonly subject: string
  readonly key: string | undefined
  readonly headers: Headers
  readonly text: string | undefined
  /** Payload and headers, as they count against limits. */
  readonly bytes: number
  /** Undefined while nobody has asked for the bytes of the text. */
  #payload: Uint8Array | undefined
  /** What the first reader gets instead of parsing the text, which took a fifth of the CPU time of a message (profile: `docs/benchmarks.md`). */
  #copy: object | undefined

  constructor(stream: string, sequence: number, time: number, published: Outgoing, bytes: number) {
    this.stream = stream
    this.sequence = sequence
    this.time = time
    this.id = published.id
    this.isFresh = published.isFresh
    this.subject = published.subject
    this.key = published.key
    this.headers = published.headers
    this.text = published.text
    this.bytes = bytes
    this.#payload = published.text === undefined ? published.payload : undefined
    this.#copy = published.takeCopy?.()
  }

  get payload(): Uint8Array {
    this.#payload ??= Buffer.from(this.text ?? '')
    return this.#payload
  }

  takeCopy(): object | undefined {
    const copy = this.#copy
    this.#copy = undefined
    return copy
  }
}
