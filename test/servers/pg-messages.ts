/** The frames of the PostgreSQL protocol (version 3), as far as a proxy or a pooler between a client and a server has to know them. */

export interface Frame {
  /** One character; `''` for what a client sends first, which has no type. */
  readonly type: string
  /** With type and length, ready to be sent on. */
  readonly bytes: Buffer
}

const HEAD_BYTES = 5
const FIRST_HEAD_BYTES = 4

/** Cuts one direction of a connection into frames, wherever its chunks begin and end. */
export class Framer {
  #rest: Buffer = Buffer.alloc(0)
  #isFirst: boolean

  /** @param startsUntyped true for what a client sends */
  constructor(startsUntyped: boolean) {
    this.#isFirst = startsUntyped
  }

  take(chunk: Buffer): Frame[] {
    this.#rest = Buffer.concat([this.#rest, chunk])
    const frames: Frame[] = []
    for (let frame = this.#next(); frame !== undefined; frame = this.#next()) frames.push(frame)
    return frames
  }

  #next(): Frame | undefined {
    const head = this.#isFirst ? FIRST_HEAD_BYTES : HEAD_BYTES
    if (this.#rest.length < head) return undefined
    const length = this.#rest.readUInt32BE(head - FIRST_HEAD_BYTES) + head - FIRST_HEAD_BYTES
    if (this.#rest.length < length) return undefined
    const bytes = this.#rest.subarray(0, length)
    const type = this.#isFirst ? '' : String.fromCharCode(bytes[0] ?? 0)
    this.#rest = this.#rest.subarray(length)
    this.#isFirst = false
    return { type, bytes }
  }
}

export function frame(type: string, body: Buffer): Buffer {
  const length = Buffer.alloc(FIRST_HEAD_BYTES)
  length.writeUInt32BE(body.length + FIRST_HEAD_BYTES)
  return Buffer.concat([Buffer.from(type, 'latin1'), length, body])
}

/** The SQL of a simple query or of a statement to be parsed; undefined for every other frame. */
export function statementOf({ type, bytes }: Frame): string | undefined {
  if (type === 'Q') return textAt(bytes, HEAD_BYTES)
  if (type !== 'P') return undefined
  return textAt(bytes, bytes.indexOf(0, HEAD_BYTES) + 1)
}

/** The name of a statement to be parsed, `''` when it has none; undefined for every other frame. */
export function nameOfParsed({ type, bytes }: Frame): string | undefined {
  return type === 'P' ? textAt(bytes, HEAD_BYTES) : undefined
}

/** Of a ReadyForQuery: `I` idle, `T` in a transaction, `E` in a failed one; undefined for every other frame. */
export function readyState({ type, bytes }: Frame): string | undefined {
  return type === 'Z' ? String.fromCharCode(bytes[HEAD_BYTES] ?? 0) : undefined
}

/** What a client says about itself when it connects: `user`, `database`, and settings of the server. */
export function startupParameters({ bytes }: Frame): Map<string, string> {
  const texts = bytes
    .subarray(2 * FIRST_HEAD_BYTES)
    .toString()
    .split('\0')
  const found = new Map<string, string>()
  for (let at = 0; at + 1 < texts.length && texts[at] !== ''; at += 2) found.set(texts[at] ?? '', texts[at + 1] ?? '')
  return found
}

function textAt(bytes: Buffer, from: number): string {
  return bytes.subarray(from, bytes.indexOf(0, from)).toString()
}
