/** Single messages of a stream, asked of its leader, so that whatever was accepted before is seen. */
import type { JetStreamManager } from '@nats-io/jetstream'
import type { StoredMessage } from '../../../src/message.js'
import { storedHeaderText } from '../connect/client-internals.js'
import { refusalOf, SERVER } from '../failure.js'
import { toStored } from '../wire.js'

export type MessageQuery =
  | { readonly seq: number }
  | { readonly last_by_subj: string }
  /** The first one from there on that the pattern takes. */
  | { readonly seq: number; readonly next_by_subj: string }

/** Undefined when there is none; rejects as the client does, also when there is no such stream. */
export async function getMessage(
  jsm: JetStreamManager,
  stream: string,
  query: MessageQuery,
): Promise<StoredMessage | undefined> {
  try {
    const found = await jsm.streams.getMessage(stream, query)
    if (found === null) return undefined
    const place = { stream, sequence: found.seq, time: found.time.getTime() }
    return toStored(place, found.subject, storedHeaderText(found), found.data)
  } catch (thrown) {
    const code = refusalOf(thrown)
    if (code === SERVER.messageNotFound || code === SERVER.sequenceNotFound) return undefined
    throw thrown
  }
}
