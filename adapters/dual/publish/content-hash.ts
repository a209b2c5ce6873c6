/**
 * What makes two publishes of one id the same (PG-U5): subject, kind of content, payload bytes. Not key and headers: a repetition may carry
 * another trace, and every backend says so (suite, group "dedup").
 */
import { createHash } from 'node:crypto'
import { CONTENT_HEADER, type Outgoing } from '../../../src/message.js'

/** Changes when the rule does, so that old rows are not compared with new ones. */
const VERSION = 1
/** 128 bits: two of a trillion messages of one id do not meet. */
const HEX_DIGITS = 32

/** Hexadecimal, 16 bytes. */
export function contentHash({ subject, headers, payload }: Pick<Outgoing, 'subject' | 'headers' | 'payload'>): string {
  const hash = createHash('sha256').update(`${VERSION}\0${subject}\0${headers[CONTENT_HEADER] ?? ''}\0`)
  return hash.update(payload).digest('hex').slice(0, HEX_DIGITS)
}
