/** Whether a message that the server calls a duplicate is one: it compares nothing but ids (JS-D1). */
import type { JetStreamManager } from '@nats-io/jetstream'
import { errors } from '@nats-io/transport-node'
import { CONTENT_HEADER, type Outgoing } from '../../../src/message.js'
import { getMessage } from '../read/message-get.js'

/**
 * Compares subject and content with what lies at the first one's position, as its leader knows it. True as well when that can never be
 * told: the first one was removed, or may not be read. Undefined when nobody could say now.
 */
export async function isSameMessage(
  jsm: JetStreamManager,
  stream: string,
  sequence: number,
  message: Outgoing,
): Promise<boolean | undefined> {
  try {
    const first = await getMessage(jsm, stream, { seq: sequence })
    if (first === undefined) return true
    return (
      first.subject === message.subject &&
      first.headers[CONTENT_HEADER] === message.headers[CONTENT_HEADER] &&
      Buffer.compare(first.payload, message.payload) === 0
    )
  } catch (thrown) {
    return thrown instanceof errors.PermissionViolationError ? true : undefined
  }
}
