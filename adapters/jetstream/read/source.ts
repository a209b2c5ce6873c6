/** What `read.ts` reads from: one message after the other, out of a consumer of its own or straight out of the stream. */
import type { StoredMessage } from '../../../src/message.js'
import type { Connection } from '../connect/connection.js'

export interface Source {
  /** Fixes where it begins. Rejects when the stream is missing or the server cannot be asked. */
  open(): Promise<void>
  /** Waits for the next one. Undefined after `close()`, and at the end unless it follows. Not called again before it has resolved. */
  next(): Promise<StoredMessage | undefined>
  /** Ends a waiting `next()` at once. Idempotent, never rejects. */
  close(): Promise<void>
}

export interface SourceDefinition {
  readonly stream: string
  readonly filters: readonly string[]
  readonly follow: boolean
  /** Leaves payloads on the server, where it can. */
  readonly headersOnly: boolean
}

/** A stream as it was when it was looked at. */
export interface StreamFacts {
  /** Another one when the stream was deleted and made anew. */
  readonly createdAt: string
  readonly lastSequence: number
  /** Payload and headers of the largest message that it can hold. */
  readonly maxMessageBytes: number
  /** Reading it through a consumer changes nothing: whether a message is kept does not depend on consumers. */
  readonly isIndifferent: boolean
}

export async function lookAt({ jsm, server }: Connection, stream: string): Promise<StreamFacts> {
  const { config, state, created } = await jsm.streams.info(stream)
  return {
    createdAt: String(created),
    lastSequence: state.last_seq,
    maxMessageBytes: config.max_msg_size > 0 ? config.max_msg_size : server.max_payload,
    isIndifferent: config.retention === 'limits',
  }
}
