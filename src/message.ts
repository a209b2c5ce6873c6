/**
 * What travels: the message as a handler sees it, as an adapter stores it, and the rules for ids, keys and headers.
 * Encoding of payloads is `codec.ts`; what a dead letter carries is `dead-letter.ts`.
 */
import { BusError } from './errors.js'

/** Header names to values. The object has no prototype, so `headers.constructor` is a header or nothing. */
export type Headers = Readonly<Record<string, string>>

/** A message as a handler, a subscriber or a replay sees it. */
export interface Message<Data = unknown, Params = Readonly<Record<string, string>>> {
  readonly id: string
  readonly subject: string
  /** The stream that keeps it, or `''` for a live signal. */
  readonly stream: string
  /** Position in the stream, from 1; 0 for a live message. */
  readonly sequence: number
  /** When the backend took it, in ms since the epoch. */
  readonly time: number
  /** The ordering key, when it was published with one. */
  readonly key: string | undefined
  /** The publisher's own headers; busbar's are left out. */
  readonly headers: Headers
  /** Decoded on first access, once. Throws `BUS_INVALID_MESSAGE` when the bytes cannot be decoded. */
  readonly data: Data
  /** Decoded subject parameters; empty unless the consumer's filter is a topic. */
  readonly params: Params
}

/**
 * A message on its way to a backend. Everything in it was validated; the payload belongs to the bus and is never changed. It may be an
 * instance with getters: copy it field by field, not with a spread.
 */
export interface Outgoing {
  readonly id: string
  /** What the backend's dedup window compares; the id, except for a redrive, which must pass the window. */
  readonly dedupId: string
  /** The id was made for this message: it cannot have been published before, so no window needs to be searched for it. */
  readonly isFresh: boolean
  readonly subject: string
  readonly key: string | undefined
  /** Includes busbar's own `Busbar-*` headers. */
  readonly headers: Headers
  readonly payload: Uint8Array
  /** The payload as JSON text, when it was encoded in this process: reading it saves decoding the bytes. */
  readonly text?: string | undefined
  /**
   * The data as it was published, which nobody else has: a backend in this process may hand it to the first reader, which saves parsing the
   * text. Undefined from the second call on.
   */
  takeCopy?(): object | undefined
  /** Store it for readers only after this many ms. 0: at once. */
  readonly delayMs: number
}

/** A message as a backend keeps it. */
export interface StoredMessage {
  readonly stream: string
  readonly sequence: number
  /** ms since the epoch */
  readonly time: number
  readonly id: string
  /** True when no other message can have this id, because it was made for this one. Default: not known. */
  readonly isFresh?: boolean
  readonly subject: string
  readonly key: string | undefined
  readonly headers: Headers
  readonly payload: Uint8Array
  /** The payload as JSON text, when it was encoded in this process: reading it saves decoding the bytes. */
  readonly text?: string | undefined
  /** As `Outgoing.takeCopy`. One reader only, because handlers may change what they are given. */
  takeCopy?(): object | undefined
}

/** busbar's own headers. Users cannot set a header with this prefix, whatever its case. */
export const HEADER_PREFIX = 'Busbar-'
export const VERSION_HEADER = 'Busbar-Version'
export const CONTENT_HEADER = 'Busbar-Content'
export const REDRIVE_HEADER = 'Busbar-Redrive-For'
/** What a dead letter tells of its message, each fact in a header; `dead-letter.ts` knows them. */
export const DEAD_PREFIX = 'Busbar-Dead-'

export const LIMITS = {
  /** Characters of an id or a key: they travel in headers and in dead letters. */
  idLength: 256,
  headerCount: 64,
  headerValueBytes: 8 * 1024,
  /** Names, values and separators together; also counted against the stream's message limit. */
  headersBytes: 32 * 1024,
} as const

/**
 * Bytes below the limit of a server that a message keeps free: it may become a dead letter and be redriven, and both are larger. The
 * longest id and subject, escaped twice, and no error text take 7,806 of them on JetStream.
 */
export const SPARE_BYTES = 8192

// Not from `Object.create(null)`, which makes a dictionary: a header looked up in vain takes 45 ns there, and 1 ns here.
export const NO_HEADERS: Headers = Object.freeze(Object.setPrototypeOf({}, null))

/** RFC 7230 section 3.2.6 `token`. */
const HEADER_NAME = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/
const RESERVED_NAME = /^(?:nats-|busbar-|\$|status$|traceparent$|tracestate$)/i
const LINE_BREAK_OR_NUL = /[\r\n\0]/
// Control characters and line separators corrupt a log line or a protocol line; everything else is a legal id.
const UNPRINTABLE = /\p{Cc}|\p{Cs}|[\u2028\u2029\ufeff]/u

/** Checks and copies a caller's headers. Throws `BUS_INVALID_MESSAGE`. */
export function checkHeaders(headers: Readonly<Record<string, string>> | undefined): Headers {
  if (headers === undefined) return NO_HEADERS
  // A Map, the Headers of fetch or a list would be taken for an object without entries, or with odd ones.
  if (Object.prototype.toString.call(headers) !== '[object Object]')
    throw invalid('headers must be a plain object of strings; for a Map or Headers, pass Object.fromEntries(headers)')
  const names = Object.keys(headers)
  if (names.length === 0) return NO_HEADERS
  if (names.length > LIMITS.headerCount) throw invalid(`${names.length} headers are more than ${LIMITS.headerCount}`)
  const checked: Record<string, string> = Object.create(null)
  const seen = new Set<string>()
  for (const name of names) {
    checkHeaderName(name, seen)
    checked[name] = checkHeaderValue(name, headers[name])
  }
  const bytes = headersBytes(checked)
  if (bytes > LIMITS.headersBytes) throw invalid(`headers take ${bytes} bytes, more than ${LIMITS.headersBytes}`)
  return checked
}

function checkHeaderName(name: string, seen: Set<string>): void {
  if (!HEADER_NAME.test(name)) throw invalid(`header name ${JSON.stringify(name)} is not an RFC 7230 token`)
  if (RESERVED_NAME.test(name)) throw invalid(`header name "${name}" is reserved; choose a name of your own`)
  const folded = name.toLowerCase()
  if (seen.has(folded)) throw invalid(`header "${name}" is given twice, in different case`)
  seen.add(folded)
}

function checkHeaderValue(name: string, value: unknown): string {
  if (typeof value !== 'string') throw invalid(`header "${name}" must be a string, not ${typeof value}`)
  if (LINE_BREAK_OR_NUL.test(value)) throw invalid(`header "${name}" holds CR, LF or NUL; encode the value first`)
  const bytes = Buffer.byteLength(value)
  if (bytes > LIMITS.headerValueBytes)
    throw invalid(`header "${name}" takes ${bytes} bytes, more than ${LIMITS.headerValueBytes}`)
  return value
}

/** Bytes that the headers take on a wire: name, colon, value, CR, LF. */
export function headersBytes(headers: Headers): number {
  if (headers === NO_HEADERS) return 0
  let bytes = 0
  for (const name in headers) bytes += name.length + 3 + Buffer.byteLength(headers[name] ?? '')
  return bytes
}

/** Bytes that count against message limits: payload and headers. */
export function messageBytes(message: Pick<StoredMessage, 'headers' | 'payload' | 'text'>): number {
  const { text } = message
  const payloadBytes = text === undefined ? message.payload.byteLength : Buffer.byteLength(text)
  return payloadBytes + headersBytes(message.headers)
}

/** How many of the `SPARE_BYTES` a message may use: all, when it is what they are kept for. */
export function usableSpare(headers: Headers): number {
  const isMadeOfAnother = headers[`${DEAD_PREFIX}Consumer`] !== undefined || headers[REDRIVE_HEADER] !== undefined
  return isMadeOfAnother ? SPARE_BYTES : 0
}

/** Headers without busbar's own. */
export function userHeaders(headers: Headers): Headers {
  if (headers === NO_HEADERS) return headers
  const own: Record<string, string> = Object.create(null)
  for (const name in headers) {
    if (!name.startsWith(HEADER_PREFIX)) own[name] = headers[name] ?? ''
  }
  return own
}

/** Adds busbar's own headers to checked ones. */
export function withHeaders(headers: Headers, more: Readonly<Record<string, string>>): Headers {
  return Object.assign(Object.create(null), headers, more)
}

/** Checks a message id or an ordering key: 1 to 256 printable characters, any alphabet. Throws `BUS_INVALID_MESSAGE`. */
export function checkIdentifier(what: 'id' | 'key', value: unknown): string {
  if (typeof value !== 'string') throw invalid(`${what} must be a string, not ${typeof value}`)
  if (value.length === 0 || value.length > LIMITS.idLength)
    throw invalid(`${what} must have 1 to ${LIMITS.idLength} characters, not ${value.length}`)
  if (UNPRINTABLE.test(value))
    throw invalid(`${what} holds a control character, a line separator or half a surrogate pair`)
  return value
}

function invalid(problem: string): BusError {
  return new BusError('BUS_INVALID_MESSAGE', `[bus] ${problem}`)
}
