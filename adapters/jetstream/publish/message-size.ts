/** What is too large for its stream or server is refused before anything is sent: a server says so late, or not at all (JS-P6). */
import type { BusError } from '../../../src/errors.js'
import { headersBytes, type Outgoing } from '../../../src/message.js'
import { failure } from '../failure.js'
import type { HeaderBlock } from '../wire.js'
import type { Target } from './routes.js'

/** A server stores no larger header block (error 10097). */
const MAX_BLOCK_BYTES = 65_535

/** @param maxPayload what the server takes of payload and header block together, in bytes */
export function tooLarge(
  { subject, headers, payload }: Outgoing,
  block: HeaderBlock,
  { name, maxMessageBytes }: Target,
  maxPayload: number,
): BusError | undefined {
  const refused = (problem: string): BusError => failure(`publish to ${subject}`, 'BUS_TOO_LARGE', problem)
  const bytes = payload.byteLength + headersBytes(headers)
  if (bytes > maxMessageBytes)
    return refused(
      `${bytes} bytes are more than the ${maxMessageBytes} of stream ${name}. Publish less, or raise maxMessageBytes`,
    )
  if (block.byteLength > MAX_BLOCK_BYTES)
    return refused(
      `its headers take ${block.byteLength} bytes of the ${MAX_BLOCK_BYTES} that a server stores. Send less`,
    )
  const whole = payload.byteLength + block.byteLength
  if (whole <= maxPayload) return undefined
  return refused(
    `${whole} bytes are more than the ${maxPayload} that the server takes. Publish less, or raise max_payload`,
  )
}
