/**
 * Message ids: UUID version 7 (RFC 9562 section 5.7), in time order within a process. Random bytes are drawn in blocks and the text is
 * written into one buffer, because a system call or a dozen small strings for each id would cost more than the rest of a publish.
 */
import { randomFillSync } from 'node:crypto'

const RANDOM_BLOCK = 4096
const RANDOM_PER_ID = 8
const MAX_COUNTER = 0xfff
const HEX = Buffer.from('0123456789abcdef')
/** Where the hexadecimal digits of the random part go: after the variant's dash, with the last dash left out. */
const VARIANT_AT = 19
const RANDOM_AT = [21, 24, 26, 28, 30, 32, 34] as const

export function createIdSource(now: () => number): () => string {
  const random = Buffer.alloc(RANDOM_BLOCK)
  const text = Buffer.from('00000000-0000-7000-8000-000000000000')
  let used = RANDOM_BLOCK
  let lastMs = 0
  let counter = 0

  function writeByte(at: number, byte: number): void {
    text[at] = HEX[byte >> 4] ?? 0
    text[at + 1] = HEX[byte & 0xf] ?? 0
  }

  // The 12 bits after the version count within the millisecond (RFC 9562 section 6.2, method 1); a full counter borrows the next one.
  function tick(): void {
    const ms = Math.floor(now())
    if (ms > lastMs || counter === MAX_COUNTER) {
      lastMs = Math.max(ms, lastMs + 1)
      counter = 0
      const hex = lastMs.toString(16).padStart(12, '0')
      text.write(`${hex.slice(0, 8)}-${hex.slice(8)}`, 'latin1')
    } else counter++
    text[15] = HEX[counter >> 8] ?? 0
    writeByte(16, counter & 0xff)
  }

  return () => {
    tick()
    if (used === RANDOM_BLOCK) {
      randomFillSync(random)
      used = 0
    }
    writeByte(VARIANT_AT, ((random[used] ?? 0) & 0x3f) | 0x80)
    for (let at = 0; at < RANDOM_AT.length; at++) writeByte(RANDOM_AT[at] ?? 0, random[used + 1 + at] ?? 0)
    used += RANDOM_PER_ID
    return text.toString('latin1')
  }
}
