/**
 * What a user declares about streams and consumers, with every default written once, and the checks that refuse a bad declaration
 * before any I/O. Adapters get the resolved forms only.
 */
import { type Duration, durationMs, flagOf, invalid, MAX_AGE_MS, oneOf, timeMs, wholeNumber } from './duration.js'
import { BusError } from './errors.js'
import { checkPattern, overlap } from './subject.js'

export interface StreamDefinition {
  /** 1 to 64 letters, digits, `-` or `_`. */
  readonly name: string
  /** Subjects and patterns it takes. No two streams of a bus may overlap. */
  readonly subjects: readonly string[]
  /** Default `'file'`. The memory backend keeps everything in the heap and says so in `guarantees()`. */
  readonly storage?: 'file' | 'memory'
  /** `'limits'` (default) keeps until a limit; `'workqueue'` until its one consumer settled; `'interest'` until every consumer settled. */
  readonly retention?: 'limits' | 'workqueue' | 'interest'
  /** Messages older than this are removed; at most 100 years. Default: kept for ever. */
  readonly maxAge?: Duration
  /** Payload and header bytes kept. Default: unlimited. */
  readonly maxBytes?: number
  /** Messages kept. Default: unlimited. */
  readonly maxMessages?: number
  /**
   * Largest payload plus headers, in bytes. Default 1 MiB, the NATS default. A dead letter is up to 8 KiB larger than its message, and so
   * should be the limit of the stream that takes it; that of the stream `dead` which is added is.
   */
  readonly maxMessageBytes?: number
  /** A full stream refuses new messages (`'new'`, default) or drops the oldest, settled or not (`'old'`). */
  readonly discard?: 'new' | 'old'
  /** Copies on different servers, 1 to 5. Default 1. */
  readonly replicas?: number
  /** How long the backend remembers ids. Default `'2m'`; 0 turns it off. */
  readonly dedupWindow?: Duration
  readonly compression?: boolean
}

export interface ResolvedStream {
  readonly name: string
  readonly subjects: readonly string[]
  readonly storage: 'file' | 'memory'
  readonly retention: 'limits' | 'workqueue' | 'interest'
  /** `Infinity` when unlimited, as the next two. */
  readonly maxAgeMs: number
  readonly maxBytes: number
  readonly maxMessages: number
  readonly maxMessageBytes: number
  readonly discard: 'new' | 'old'
  readonly replicas: number
  readonly dedupWindowMs: number
  readonly compression: boolean
}

/** Where a new durable consumer, a replay or a subscription begins. */
export type StartAt =
  | 'all'
  | 'new'
  | 'last'
  | 'last-per-subject'
  | { readonly sequence: number }
  | { readonly time: Date | number | string }

export type ResolvedStart =
  | 'all'
  | 'new'
  | 'last'
  | 'last-per-subject'
  | { readonly sequence: number }
  | { readonly timeMs: number }

export interface ConsumerSettings {
  /** 1 to 64 letters, digits, `-` or `_`; unique on the bus. The same name in another process is the same consumer. */
  readonly name: string
  readonly stream: string
  /** Where it starts when it is first created. Default `'all'`. */
  readonly from?: StartAt
  /** A delivery that is neither settled nor heard of for this long is delivered again. Default `'30s'`, at least 50 ms. */
  readonly ackWait?: Duration
  /** Deliveries not settled yet, those waiting for another attempt included. At the bound nothing new is handed out. Default 10,000. */
  readonly maxInFlight?: number
  /** Hand out as fast as workers take (`'instant'`, default) or with the gaps between the original times (`'original'`). */
  readonly replay?: 'instant' | 'original'
  /** `'key'`: messages of one key are handled one after the other, retries included. Default `'none'`. */
  readonly order?: 'none' | 'key'
  /**
   * Only with `order: 'key'`: divides the keys into that many parts, so that several processes share the work of one consumer, each part
   * being served by one of them at a time. 1 to 64 and at most `maxInFlight`, of which each part has an equal share. Default 1: one
   * process does all the work. It cannot be changed later, and on NATS the whole stream is sent once for each part (ADR 6).
   */
  readonly partitions?: number
}

export interface ResolvedConsumer {
  readonly name: string
  readonly stream: string
  /** At least one; none of them contains another. */
  readonly filters: readonly string[]
  readonly from: ResolvedStart
  readonly ackWaitMs: number
  readonly maxInFlight: number
  readonly replay: 'instant' | 'original'
  readonly order: 'none' | 'key'
  /** 1 unless the order is `'key'`; at most `maxInFlight`. */
  readonly partitions: number
}

const NAME = /^[A-Za-z0-9_-]{1,64}$/
const DEFAULT_ACK_WAIT = '30s'
const MIN_ACK_WAIT_MS = 50
const DEFAULT_MAX_IN_FLIGHT = 10_000
const MAX_PARTITIONS = 64
const DEFAULT_MESSAGE_BYTES = 1024 * 1024
const DEFAULT_DEDUP_WINDOW = '2m'

/** Checks a stream or consumer name: it becomes part of subjects, durable names and file names. */
export function checkName(what: string, value: unknown): string {
  if (typeof value === 'string' && NAME.test(value)) return value
  throw invalid(what, value, '1 to 64 letters, digits, "-" or "_"')
}

export function resolveStream(definition: StreamDefinition): ResolvedStream {
  const name = checkName('stream name', definition?.name)
  const at = (option: string) => `stream ${name}: ${option}`
  const limit = (option: 'maxBytes' | 'maxMessages') =>
    definition[option] === undefined ? Number.POSITIVE_INFINITY : wholeNumber(at(option), definition[option], 1)
  return {
    name,
    subjects: checkSubjects(name, definition.subjects),
    storage: oneOf(at('storage'), definition.storage ?? 'file', ['file', 'memory']),
    retention: oneOf(at('retention'), definition.retention ?? 'limits', ['limits', 'workqueue', 'interest']),
    maxAgeMs:
      definition.maxAge === undefined
        ? Number.POSITIVE_INFINITY
        : wholeMs(at('maxAge'), definition.maxAge, { min: 1, max: MAX_AGE_MS }),
    maxBytes: limit('maxBytes'),
    maxMessages: limit('maxMessages'),
    maxMessageBytes: wholeNumber(
      at('maxMessageBytes'),
      definition.maxMessageBytes ?? DEFAULT_MESSAGE_BYTES,
      1,
      64 * 1024 * 1024,
    ),
    discard: oneOf(at('discard'), definition.discard ?? 'new', ['new', 'old']),
    replicas: wholeNumber(at('replicas'), definition.replicas ?? 1, 1, 5),
    dedupWindowMs: wholeMs(at('dedupWindow'), definition.dedupWindow ?? DEFAULT_DEDUP_WINDOW),
    compression: flagOf(at('compression'), definition.compression ?? false),
  }
}

/** Servers keep these, in units of their own: a fraction of a ms would be refused, or come back as another number. */
function wholeMs(...duration: Parameters<typeof durationMs>): number {
  return Math.ceil(durationMs(...duration))
}

function checkSubjects(stream: string, subjects: unknown): readonly string[] {
  if (!Array.isArray(subjects) || subjects.length === 0) {
    throw invalid(`stream ${stream}: subjects`, subjects, 'a list of at least one subject or pattern')
  }
  return subjects.map(checkPattern)
}

/** Resolves every stream and refuses two of one name or with overlapping subjects, as a NATS server would. */
export function resolveStreams(definitions: readonly StreamDefinition[]): ResolvedStream[] {
  if (!Array.isArray(definitions)) throw invalid('streams', definitions, 'a list of streams')
  const streams = definitions.map(resolveStream)
  for (const [at, stream] of streams.entries()) {
    for (const other of streams.slice(0, at)) assertDisjoint(stream, other)
  }
  return streams
}

/** Throws `BUS_CONFLICT` when both streams would take the same subject. */
export function assertDisjoint(stream: ResolvedStream, other: ResolvedStream): void {
  if (stream.name === other.name) throw new BusError('BUS_CONFLICT', `[bus] stream ${stream.name} is declared twice`)
  for (const mine of stream.subjects) {
    const theirs = other.subjects.find((subject) => overlap(mine, subject))
    if (theirs === undefined) continue
    throw new BusError(
      'BUS_CONFLICT',
      `[bus] stream ${stream.name} takes "${mine}" and stream ${other.name} takes "${theirs}": both take the same subjects. Narrow one of them`,
    )
  }
}

export function resolveConsumer(settings: ConsumerSettings, patterns: readonly string[]): ResolvedConsumer {
  const name = checkName('consumer name', settings.name)
  const at = (option: string) => `consumer ${name}: ${option}`
  const maxInFlight = wholeNumber(at('maxInFlight'), settings.maxInFlight ?? DEFAULT_MAX_IN_FLIGHT, 1, 1_000_000)
  const order = oneOf(at('order'), settings.order ?? 'none', ['none', 'key'])
  return {
    name,
    stream: checkName(at('stream'), settings.stream),
    filters: checkFilters(name, patterns),
    from: resolveStart(at('from'), settings.from ?? 'all'),
    ackWaitMs: wholeMs(at('ackWait'), settings.ackWait ?? DEFAULT_ACK_WAIT, { min: MIN_ACK_WAIT_MS }),
    maxInFlight,
    replay: oneOf(at('replay'), settings.replay ?? 'instant', ['instant', 'original']),
    order,
    partitions: checkPartitions(at('partitions'), settings.partitions ?? 1, order, maxInFlight),
  }
}

function checkPartitions(at: string, value: unknown, order: 'none' | 'key', maxInFlight: number): number {
  const partitions = wholeNumber(at, value, 1, MAX_PARTITIONS)
  if (partitions > 1 && order !== 'key') throw invalid(at, value, "1, or order: 'key'")
  if (partitions > maxInFlight) throw invalid(at, value, `at most maxInFlight, which is ${maxInFlight}`)
  return partitions
}

function checkFilters(consumer: string, patterns: readonly string[]): readonly string[] {
  const filters = [...new Set(patterns.map(checkPattern))].sort()
  for (const [at, filter] of filters.entries()) {
    const other = filters.slice(0, at).find((earlier) => overlap(filter, earlier))
    if (other === undefined) continue
    throw invalid(
      `consumer ${consumer}: filter`,
      filter,
      `patterns that do not overlap; "${other}" takes some of the same subjects`,
    )
  }
  return filters
}

export function resolveStart(name: string, from: unknown): ResolvedStart {
  if (from === 'all' || from === 'new' || from === 'last' || from === 'last-per-subject') return from
  if (typeof from === 'object' && from !== null) {
    if ('sequence' in from) return { sequence: wholeNumber(`${name}.sequence`, from.sequence, 1) }
    if ('time' in from) return { timeMs: timeMs(`${name}.time`, from.time) }
  }
  throw invalid(name, from, "'all', 'new', 'last', 'last-per-subject', { sequence } or { time }")
}

/** Compares two definitions of one thing and names the first difference, or returns undefined. */
export function difference<Definition extends object>(wanted: Definition, actual: Definition): string | undefined {
  for (const [field, value] of Object.entries(wanted)) {
    const theirs: unknown = Reflect.get(actual, field)
    const [a, b] = [showValue(value), showValue(theirs)]
    if (a !== b) return `${field} is ${b} and was asked to be ${a}`
  }
  return undefined
}

function showValue(value: unknown): string {
  return typeof value === 'number' ? String(value) : (JSON.stringify(value) ?? 'undefined')
}
