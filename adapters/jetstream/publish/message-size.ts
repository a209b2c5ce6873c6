/**
 * What is too large for its stream or server is refused before anything is sent: a server says so late, or not at all (JS-P6). So is what
 * would fit while its dead letter would not: it could never be given up.
 */
import type { BusError } from '../../../src/errors.js'
import { headersBytes, type Outgoing, SPARE_BYTES, usableSpare } from '../../../src/message.js'
import { failure } from '../failure.js'
import type { HeaderBlock } from '../wire.js'
import type { Target } from './routes.js'

/** A server stores no larger header block (error 10097). */
const MAX_BLOCK_BYTES = 65_535

/** @param maxPayload what the server takes of payload and header block together, in bytes, the spare included */
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
  const spare = SPARE_BYTES - usableSpare(headers)
  const mostHeaders = MAX_BLOCK_BYTES - spare
  if (block.byteLength > mostHeaders)
    return refused(
      `its headers take ${block.byteLength} bytes, more than the ${mostHeaders} that it may have. Send less`,
    )
  const whole = payload.byteLength + block.byteLength
  const most = maxPayload - spare
  if (whole <= most) return undefined
  const room =
    spare === 0 ? 'the server takes' : `its max_payload of ${maxPayload} leaves beside room for a dead letter`
  return refused(`${whole} bytes are more than the ${most} that ${room}. Publish less, or raise max_payload`)
}
