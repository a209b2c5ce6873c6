/**
 * Payloads to bytes and back. Objects travel as JSON, `Uint8Array`s as they are (marked by a header). What JSON would silently change
 * is refused instead: `NaN`, infinities, `undefined` in lists, functions, symbols, maps, nested binary (`security.md` JSN-1..5).
 *
 * Stated encodings: a `Date` (anything with `toJSON`) becomes what `toJSON` returns; `-0` becomes `0`; an `undefined` property is left out.
 */
import { isUtf8 } from 'node:buffer'
import { BusError } from './errors.js'
import { CONTENT_HEADER, type StoredMessage } from './message.js'

// Inside 'for in' the compiler answers this one without a call, and `Object.hasOwn` not yet: 0.15 against 0.26 us for a small order.
const isOwn = Object.prototype.hasOwnProperty

/** Deeper data is refused on both sides: it overflows the stack of somebody's decoder. */
export const MAX_DEPTH = 500
/** Characters of JSON. Copies wait for their readers in memory; with longer ones that would be too much. */
const MAX_COPIED = 4096

/** JSON as text, or bytes as they are: one of the two is there. */
export interface Encoded {
  readonly text: string | undefined
  readonly bytes: Uint8Array | undefined
  /** Of the data, for the first reader in this process. Undefined for what is no object, and for large ones. */
  readonly copy: object | undefined
}

interface Convertible {
  readonly toJSON?: unknown
}

/** Throws `BUS_INVALID_MESSAGE`. The result is a copy: later changes to the caller's data do not alter it. */
export function encode(data: unknown): Encoded {
  try {
    if (data instanceof Uint8Array) return { text: undefined, bytes: copyOf(data), copy: undefined }
    return toJson(data)
  } catch (thrown) {
    if (thrown instanceof BusError) throw thrown
    throw new BusError('BUS_INVALID_MESSAGE', '[bus] data cannot be encoded as JSON', { cause: thrown })
  }
}

function copyOf(data: Uint8Array): Uint8Array {
  // Bytes whose memory was transferred or cut away look empty, and only a method of theirs says so.
  if (data.byteLength === 0) Uint8Array.prototype.at.call(data, 0)
  return Buffer.from(data)
}

function toJson(data: unknown): Encoded {
  const copy = copied(data, 0, '')
  const text = JSON.stringify(copy)
  const isKept = typeof copy === 'object' && copy !== null && text.length <= MAX_COPIED
  return { text, bytes: undefined, copy: isKept ? copy : undefined }
}

/** What a reader of the JSON will see. Each getter and each `toJSON` is asked once. @param name of the property that holds it */
function copied(value: unknown, depth: number, name: string | number): unknown {
  switch (typeof value) {
    case 'string':
    case 'boolean':
      return value
    case 'number':
      if (!Number.isFinite(value)) throw invalid(`data holds ${value}, which JSON cannot express`)
      // JSON has no -0.
      return value + 0
    case 'object':
      return value === null ? null : copiedObject(value, depth, name)
    case 'undefined':
      if (depth === 0) throw invalid('data is undefined; publish null for "nothing"')
      break
    default:
  }
  throw invalid(`data holds a ${typeof value}, which JSON cannot express`)
}

function copiedObject(value: object, depth: number, name: string | number): unknown {
  if (depth >= MAX_DEPTH) throw invalid(`data is a cycle or nested deeper than ${MAX_DEPTH} levels`)
  // A Buffer has a toJSON, but what it makes is an object that no reader turns back into bytes.
  if (typeof (value as Convertible).toJSON === 'function' && !(value instanceof Uint8Array))
    return converted(value, depth, name)
  return copiedContents(value, depth)
}

function copiedContents(value: object, depth: number): object {
  if (!Array.isArray(value)) return copiedRecord(value as Readonly<Record<string, unknown>>, depth)
  const copy: unknown[] = []
  // An index loop, because holes are undefined too and iteration helpers skip them.
  for (let at = 0; at < value.length; at++) copy.push(copied(value[at], depth + 1, at))
  return copy
}

function copiedRecord(value: Readonly<Record<string, unknown>>, depth: number): object {
  const prototype: unknown = Object.getPrototypeOf(value)
  if (prototype !== Object.prototype && prototype !== null) assertFields(value)
  const copy: Record<string, unknown> = {}
  // `for in` is the fastest way through the keys; inherited ones are none of JSON's business.
  for (const name in value) {
    const property = value[name]
    if (property === undefined || !isOwn.call(value, name)) continue
    if (name === 'toJSON' && typeof property === 'function') continue
    if (isPolluting(name, property)) throw pollutes('data', name)
    copy[name] = copied(property, depth + 1, name)
  }
  return copy
}

function converted(value: object, depth: number, name: string | number): unknown {
  const made: unknown = Reflect.apply(Reflect.get(value, 'toJSON'), value, [String(name)])
  if (made === undefined) throw invalid('data holds an object whose toJSON() returns undefined')
  // It is asked once only: what it returns is encoded as it stands, a toJSON of its own or not.
  return typeof made === 'object' && made !== null ? copiedContents(made, depth + 1) : copied(made, depth + 1, name)
}

/** An instance of a class is encoded by its fields; built-in containers have none and would become `{}`. */
function assertFields(value: object): void {
  const kind = Object.prototype.toString.call(value).slice('[object '.length, -1)
  if (kind !== 'Object')
    throw invalid(
      `data holds a ${kind}, which JSON would turn into {}; convert it first, or publish a Uint8Array by itself`,
    )
}

/**
 * The data of a message. Throws `BUS_INVALID_MESSAGE`.
 * @param message its payload, or its text when there is one; bytes come back as a fresh `Uint8Array`
 */
export function decode(message: Pick<StoredMessage, 'headers' | 'payload' | 'text' | 'takeCopy'>): unknown {
  if (message.headers[CONTENT_HEADER] === 'bytes') return new Uint8Array(message.payload)
  const copy = message.takeCopy?.()
  if (copy !== undefined) return copy
  // Text was written by `encode` in this process, which has checked what it encodes. Bytes may come from anybody.
  if (message.text !== undefined) return parse(message.text)
  const text = toText(message.payload)
  assertShallow(text)
  const data = parse(text)
  // Both polluting keys hold these letters, unless they are written with escapes. Nearly every payload ends here.
  if (text.includes('proto') || text.includes('\\u')) assertUnpolluting(data)
  return data
}

function toText(bytes: Uint8Array): string {
  // Node would put replacement characters in silently.
  if (!isUtf8(bytes)) throw invalid('the payload is not UTF-8')
  const buffer = bytes instanceof Buffer ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  return buffer.toString()
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (thrown) {
    // The parser quotes the payload in its message, and payloads must not reach logs (RED-3).
    const what = text.length === 0 ? 'is empty' : 'is not JSON'
    throw new BusError('BUS_INVALID_MESSAGE', `[bus] the payload ${what}`, {
      cause: thrown instanceof SyntaxError ? undefined : thrown,
    })
  }
}

/** A linear scan, because a recursive decoder would meet the depth first; short texts cannot be too deep. */
function assertShallow(text: string): void {
  if (text.length <= 2 * MAX_DEPTH) return
  let depth = 0
  let inString = false
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at)
    if (inString) {
      if (code === 0x5c) at++
      else if (code === 0x22) inString = false
    } else if (code === 0x22) inString = true
    else if (code === 0x7b || code === 0x5b) {
      if (++depth > MAX_DEPTH) throw invalid(`the payload is nested deeper than ${MAX_DEPTH} levels`)
    } else if (code === 0x7d || code === 0x5d) depth--
  }
}

/** `{"__proto__": …}` is harmless until somebody merges it into another object, which somebody does. */
function assertUnpolluting(value: unknown): void {
  if (typeof value !== 'object' || value === null) return
  for (const name of Object.keys(value)) {
    const property: unknown = Reflect.get(value, name)
    if (isPolluting(name, property)) throw pollutes('the payload', name)
    assertUnpolluting(property)
  }
}

function isPolluting(name: string, property: unknown): boolean {
  if (name === '__proto__') return true
  return (
    name === 'constructor' && typeof property === 'object' && property !== null && Object.hasOwn(property, 'prototype')
  )
}

function pollutes(what: string, name: string): BusError {
  return invalid(`${what} has a "${name}" key, which would reach prototypes`)
}

function invalid(problem: string): BusError {
  return new BusError('BUS_INVALID_MESSAGE', `[bus] ${problem}`)
}
