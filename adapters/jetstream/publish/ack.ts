/**
 * Reads what came back for a publish, without believing it: only the expected stream and a position prove that something was stored
 * (JS-P1). What follows from an answer is decided in `publisher.ts`.
 */
import type { Msg } from '@nats-io/transport-node'
import { headerText } from '../wire.js'

export type Answer =
  | { readonly kind: 'stored'; readonly sequence: number; readonly duplicate: boolean }
  /** Status 503: nothing takes the subject at the moment, so nothing was stored (JS-P3). */
  | { readonly kind: 'nobody' }
  | { readonly kind: 'refused'; readonly errorCode: number; readonly description: string }
  /** Not from a stream, or not from ours: it proves nothing, neither way. */
  | { readonly kind: 'strange' }

const NOBODY: Answer = { kind: 'nobody' }
const STRANGE: Answer = { kind: 'strange' }
const NO_RESPONDERS = 'NATS/1.0 503'

const ZERO = 0x30
const NINE = 0x39
const CLOSING_BRACE = 0x7d

interface AckBody {
  readonly stream?: unknown
  readonly seq?: unknown
  readonly duplicate?: unknown
  readonly batch?: unknown
  readonly count?: unknown
  readonly error?: { readonly err_code?: unknown; readonly description?: unknown }
}

/** Reads the answers of one stream. */
export class AckReader {
  readonly #stream: string
  /** What an ack begins with as every server writes it. */
  readonly #start: Uint8Array

  constructor(stream: string) {
    this.#stream = stream
    this.#start = Buffer.from(`{"stream":"${stream}","seq":`)
  }

  read(message: Msg): Answer {
    const { data } = message
    const sequence = this.#plainSequence(data)
    if (sequence > 0) return { kind: 'stored', sequence, duplicate: false }
    return data.length === 0 ? emptyAnswer(message) : this.#judge(parseJson(data))
  }

  /** The answer to the last message of a batch: proof of the whole batch, or of nothing. Its position is that of the last message. */
  readBatch(message: Msg, { id, size }: { readonly id: string; readonly size: number }): Answer {
    const { data } = message
    if (data.length === 0) return emptyAnswer(message)
    const body = parseJson(data)
    const answer = this.#judge(body)
    if (answer.kind !== 'stored') return answer
    return body?.batch === id && body.count === size && answer.sequence >= size ? answer : STRANGE
  }

  /** The position in `{"stream":"X","seq":123}`, the common case, at a tenth of the cost of parsing JSON. 0: it reads otherwise. */
  #plainSequence(data: Uint8Array): number {
    const start = this.#start
    const end = data.length - 1
    if (end <= start.length || data[end] !== CLOSING_BRACE) return 0
    for (let at = 0; at < start.length; at++) if (data[at] !== start[at]) return 0
    let sequence = 0
    for (let at = start.length; at < end; at++) {
      const digit = data[at] ?? 0
      if (digit < ZERO || digit > NINE) return 0
      sequence = sequence * 10 + digit - ZERO
    }
    return Number.isSafeInteger(sequence) ? sequence : 0
  }

  #judge(body: AckBody | undefined): Answer {
    if (body === undefined) return STRANGE
    const { err_code: errorCode, description } = body.error ?? {}
    if (typeof errorCode === 'number') return { kind: 'refused', errorCode, description: String(description) }
    const { stream, seq } = body
    const isProof = stream === this.#stream && typeof seq === 'number' && Number.isSafeInteger(seq) && seq > 0
    return isProof ? { kind: 'stored', sequence: seq, duplicate: body.duplicate === true } : STRANGE
  }
}

/** Read from the block itself: the client throws at a header name that it does not like. */
function emptyAnswer(message: Msg): Answer {
  return headerText(message).startsWith(NO_RESPONDERS) ? NOBODY : STRANGE
}

function parseJson(data: Uint8Array): AckBody | undefined {
  try {
    const body: unknown = JSON.parse(Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString())
    return typeof body === 'object' && body !== null ? body : undefined
  } catch {
    return undefined
  }
}
