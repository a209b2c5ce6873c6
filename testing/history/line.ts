/** One line of a history, from text to an event whose fields have the types that `event.ts` says. Knows nothing of other lines. */
import { HISTORY_VERSION, type HistoryEvent, type Line } from './event.js'

type Check = (value: unknown) => boolean
type Shape = Readonly<Record<string, Check>>

const text: Check = (value) => typeof value === 'string'
const number: Check = (value) => typeof value === 'number' && Number.isFinite(value)
const flag: Check = (value) => typeof value === 'boolean'
const nanoseconds: Check = (value) => typeof value === 'string' && /^\d{1,20}$/.test(value)
const object: Check = (value) => typeof value === 'object' && value !== null
const anything: Check = () => true
const optional =
  (check: Check): Check =>
  (value) =>
    value === undefined || check(value)
const oneOf =
  (...values: readonly unknown[]): Check =>
  (value) =>
    values.includes(value)
const listOf =
  (check: Check): Check =>
  (value) =>
    Array.isArray(value) && value.every(check)
const shaped =
  (shape: Shape): Check =>
  (value) =>
    object(value) && Object.entries(shape).every(([name, check]) => check(Reflect.get(Object(value), name)))

const CONTENT: Shape = { topic: text, key: optional(text), hash: text, hdr_hash: text }
const ATTEMPT: Shape = { group: text, id: text, attempt: number }
const STORE = oneOf('ledger', 'stream')

const GROUP_RULES: Shape = {
  group: text,
  order: oneOf('key', 'none'),
  attempts: number,
  backoff_ms: listOf(number),
  transactional: flag,
  ack_wait_ms: number,
  timeout_ms: optional(number),
  prefix: optional(text),
}

const STAMP: Shape = { run: text, proc: text, pid: number, n: number, mono_ns: nanoseconds, wall: text }

/** A type that leaves an event out does not compile. */
const EVENTS: Readonly<Record<HistoryEvent['ev'], Shape>> = {
  'pub.invoke': { ...CONTENT, op: text, id: text, bytes: number, timeout_ms: number, tx: optional(flag) },
  'pub.ok': { op: text, seq: optional(number), duplicate: optional(flag) },
  'pub.fail': { op: text, code: text },
  'pub.unknown': { op: text, code: text },
  'h.start': { ...CONTENT, ...ATTEMPT, lane: optional(text), seq: optional(number) },
  'h.effect': ATTEMPT,
  'h.settle': { ...ATTEMPT, how: oneOf('done', 'retry', 'dead', 'returned'), final: optional(flag) },
  'h.settle.unknown': ATTEMPT,
  config: {
    adapter: text,
    groups: listOf(shaped(GROUP_RULES)),
    dedup_window_ms: number,
    versions: object,
    settings: optional(object),
  },
  'fault.begin': { id: text, kind: text, target: text, args: anything },
  'fault.end': { id: text },
  heal: {},
  quiesce: { drained: flag, bound_ms: number },
  'state.message': { ...CONTENT, store: STORE, seq: number, id: text, again: optional(flag) },
  'state.store': { store: STORE, messages: number },
  'state.effect': { ...ATTEMPT, owner: text },
  'state.dead': { group: text, id: text, attempts: number },
  'state.group': { group: text, pending: number, in_flight: number },
  'state.replay': { reader: text, ids: listOf(text) },
  'state.orphan': { what: text },
  'state.process': { proc: text, left: listOf(text), rss_bytes: number, rss_limit_bytes: number },
  close: {},
}

const SHAPES = new Map(Object.entries(EVENTS).map(([ev, shape]) => [ev, Object.entries({ ...STAMP, ...shape })]))

/** The line, or what is wrong with it. Fields that the format does not know are kept and ignored. */
export function parseLine(json: string): Line | string {
  let value: unknown
  try {
    value = JSON.parse(json)
  } catch {
    return 'is not JSON'
  }
  return checkLine(value)
}

/** As `parseLine`, of a value that is no text any more. */
export function checkLine(value: unknown): Line | string {
  if (!object(value)) return 'is not an object'
  const read = (name: string): unknown => Reflect.get(Object(value), name)
  if (read('v') !== HISTORY_VERSION) return `has version ${JSON.stringify(read('v'))}, not ${HISTORY_VERSION}`
  const shape = SHAPES.get(String(read('ev')))
  if (shape === undefined) return `has an unknown event ${JSON.stringify(read('ev'))}`
  for (const [name, check] of shape) if (!check(read(name))) return `has no proper "${name}"`
  // Every field of its event has just been checked.
  return value as Line
}
