/**
 * Messages on the wire: what the bus hands over as a NATS header block and back. Blocks are built and parsed by hand, because the
 * client's header objects cost a quarter of a publish, do not validate, and trim values (`performance.md`, JS-H4).
 *
 *   Nats-Msg-Id           what the server's window compares: the id, unless the message is published again on purpose (JS-D4)
 *   Nats-Expected-Stream  so that another stream's ack is no ack (JS-P1)
 *   Busbar-Id             the id, when `Nats-Msg-Id` does not say it
 *   Busbar-Key            the ordering key
 *   Busbar-Escaped        1: values that are not plain printable text were escaped, `%` among them
 *   Nats-Batch-Id, -Sequence, -Commit  the place in an atomic batch (ADR 8)
 *
 * Everything else is the publisher's. On a message from elsewhere, reserved headers are data (HDR-5) and the place is the id.
 */
import type { Msg, MsgHdrs } from '@nats-io/transport-node'
import type { Signal } from '../../src/adapter.js'
import { escapeUnits, unescapeUnits } from '../../src/escape.js'
import { type Headers, NO_HEADERS, type Outgoing, type StoredMessage } from '../../src/message.js'

const START = 'NATS/1.0\r\n'
const ID = 'Nats-Msg-Id'
const STREAM = 'Nats-Expected-Stream'
const OWN_ID = 'Busbar-Id'
const KEY = 'Busbar-Key'
const ESCAPED = 'Busbar-Escaped'
const BATCH = 'Nats-Batch-Id'
const BATCH_PLACE = 'Nats-Batch-Sequence'
const BATCH_COMMIT = 'Nats-Batch-Commit'
/** What is no header of the publisher's. Servers keep what was said of a batch. */
const OWN: ReadonlySet<string> = new Set([ID, STREAM, OWN_ID, KEY, ESCAPED, BATCH, BATCH_PLACE, BATCH_COMMIT])

/** In front of the name of a header that must not be sent. */
const WAS = 'Busbar-Was-'
const COMMAND = /^nats-/i
const ID_START = `${START}${ID}:`
const STREAM_START = `\r\n${STREAM}:`
/** Other clients put one behind the colon; no value of ours begins with it. */
const SPACE = 0x20
const LINE_BREAK = '\r\n'
const BLOCK_END = '\r\n\r\n'

/** Survives every server and client as it is: printable ASCII without `%`, no space at the ends. */
const PLAIN = /^(?:[!-$&-~](?:[ -$&-~]*[!-$&-~])?)?$/
const UNSAFE = /[^!-$&-~]/g

/** Room that the adapter's own headers may take beside the publisher's, in bytes; streams are given that much more than they ask for. */
export const OWN_HEADER_BYTES = 4096

/** A header block that is bytes already. The client asks nothing of headers that it sends but `encode()`. */
export class HeaderBlock {
  readonly #bytes: Uint8Array

  constructor(block: string | Uint8Array) {
    this.#bytes = typeof block === 'string' ? Buffer.from(block) : block
  }

  get byteLength(): number {
    return this.#bytes.byteLength
  }

  encode(): Uint8Array {
    return this.#bytes
  }

  /** The same message in an atomic batch. @param place from 1 */
  inBatch(id: string, place: number, isCommit: boolean): HeaderBlock {
    const open = this.#bytes.subarray(0, -LINE_BREAK.length)
    const lines = `${BATCH}:${id}\r\n${BATCH_PLACE}:${place}\r\n${isCommit ? `${BATCH_COMMIT}:1\r\n` : ''}`
    return new HeaderBlock(Buffer.concat([open, Buffer.from(lines + LINE_BREAK)]))
  }

  /** As the client's publish options want it. */
  asHeaders(): MsgHdrs {
    return this as unknown as MsgHdrs
  }
}

export interface Addressing {
  /** The stream that must take it; undefined for what no stream takes. */
  readonly stream: string | undefined
  /** What the server's window compares; undefined when the stream has none. */
  readonly dedupId: string | undefined
}

/** @param more further lines for the server, such as `Nats-Expected-Last-Subject-Sequence: 0` */
export function headerBlock(
  message: Pick<Outgoing, 'id' | 'key' | 'headers'>,
  { stream, dedupId }: Addressing,
  more: readonly string[] = [],
): HeaderBlock {
  const block = new BlockBuilder()
  if (dedupId !== undefined) block.add(ID, dedupId)
  if (stream !== undefined) block.add(STREAM, stream)
  if (dedupId !== message.id) block.add(OWN_ID, message.id)
  if (message.key !== undefined) block.add(KEY, message.key)
  if (message.headers !== NO_HEADERS)
    for (const name in message.headers) block.add(harmless(name), message.headers[name] ?? '')
  return block.end(more)
}

/** A stranger's message can hold what is a command when it is published again, as a dead letter for one (JS-H5). */
function harmless(name: string): string {
  return COMMAND.test(name) ? `${WAS}${name}` : name
}

class BlockBuilder {
  #text = START
  #isEscaped = false

  add(name: string, value: string): void {
    if (PLAIN.test(value)) this.#text += `${name}:${value}\r\n`
    else {
      this.#isEscaped = true
      this.#text += `${name}:${escapeUnits(value, UNSAFE)}\r\n`
    }
  }

  end(more: readonly string[]): HeaderBlock {
    for (const line of more) this.#text += `${line}\r\n`
    return new HeaderBlock(this.#isEscaped ? this.#escapedText() : `${this.#text}\r\n`)
  }

  /** A plain value may hold no `%`, so unescaping it changes nothing. */
  #escapedText(): string {
    return `${this.#text}${ESCAPED}:1\r\n\r\n`
  }
}

/** What a header block says, beside the payload. */
export interface Envelope {
  readonly id: string | undefined
  readonly key: string | undefined
  readonly headers: Headers
}

const NO_ENVELOPE: Envelope = { id: undefined, key: undefined, headers: NO_HEADERS }

/** The client's messages can tell their size, though its types do not say so. */
type Sized = Msg & { readonly size?: () => number }

/** A received message's header block. The client keeps its bytes right before the payload, and parses them on demand only. */
export function headerText(message: Sized): string {
  const { data } = message
  const whole = message.size?.()
  if (whole === undefined) return String(message.headers ?? '')
  const length = whole - message.subject.length - (message.reply?.length ?? 0) - data.byteLength
  return length > 0 && data.byteOffset >= length
    ? Buffer.from(data.buffer, data.byteOffset - length, length).toString()
    : ''
}

/** Never throws: whatever does not look like a header is left out. The first of several values counts. */
export function parseHeaders(text: string): Envelope {
  return parseTwoLines(text) ?? parseAny(text)
}

/** A message of ours without key and headers has two lines; reading just them saves a tenth of a delivery. */
function parseTwoLines(text: string): Envelope | undefined {
  if (!text.startsWith(ID_START) || text.charCodeAt(ID_START.length) === SPACE) return undefined
  const idEnd = text.indexOf('\r\n', ID_START.length)
  if (!text.startsWith(STREAM_START, idEnd)) return undefined
  if (text.indexOf('\r\n', idEnd + STREAM_START.length) !== text.length - BLOCK_END.length) return undefined
  return { id: text.slice(ID_START.length, idEnd), key: undefined, headers: NO_HEADERS }
}

function parseAny(text: string): Envelope {
  if (!text.startsWith('NATS/1.0')) return NO_ENVELOPE
  const found: Record<string, string> = Object.create(null)
  let isEmpty = true
  let at = text.indexOf('\r\n') + 2
  for (let end = text.indexOf('\r\n', at); end > at; at = end + 2, end = text.indexOf('\r\n', at)) {
    const colon = text.indexOf(':', at)
    if (colon <= at || colon > end) continue
    const name = text.slice(at, colon)
    found[name] ??= text.slice(text.charCodeAt(colon + 1) === SPACE ? colon + 2 : colon + 1, end)
    isEmpty = false
  }
  return isEmpty ? NO_ENVELOPE : toEnvelope(found)
}

function toEnvelope(found: Record<string, string>): Envelope {
  if (found[ESCAPED] !== undefined) for (const name in found) found[name] = unescapeUnits(found[name] ?? '')
  const id = found[OWN_ID] ?? found[ID]
  const key = found[KEY]
  let headers: Record<string, string> | undefined
  for (const name in found) {
    if (OWN.has(name)) continue
    headers ??= Object.create(null) as Record<string, string>
    headers[name] = found[name] ?? ''
  }
  return { id: id === '' ? undefined : id, key: key === '' ? undefined : key, headers: headers ?? NO_HEADERS }
}

/** Where a stored message lies. */
export interface Place {
  readonly stream: string
  readonly sequence: number
  /** ms since the epoch */
  readonly time: number
}

export function toStored(place: Place, subject: string, headers: string, payload: Uint8Array): StoredMessage {
  const { id, key, headers: own } = parseHeaders(headers)
  const { stream, sequence, time } = place
  return { stream, sequence, time, id: id ?? placeId(place), subject, key, headers: own, payload }
}

/** A foreign message has no id; its place names it, the same for every reader. */
function placeId({ stream, sequence }: Place): string {
  return `${stream}:${sequence}`
}

/** A live message as it came. @param fallbackId for one from another program, which has no id */
export function toSignal(message: Msg, fallbackId: string): Signal {
  const { id, key, headers } = parseHeaders(headerText(message))
  return { subject: message.subject, id: id ?? fallbackId, key, headers, payload: message.data }
}
