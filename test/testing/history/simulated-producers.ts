/** The producers of a simulated history: who publishes what when, how each publish ends, and what is stored in which order. */
import type { Content } from '../../../testing/history/event.js'
import type { World } from './simulated-groups.js'

export interface Logged {
  readonly id: string
  readonly content: Content
  readonly storedAt: number
  /** Counts the stored messages of a producer; fates go by it. */
  readonly ordinal: number
}

/** How the publishes of one id end, in turn. `stored`: the one that stores it. */
interface Course {
  readonly ends: readonly ('ok' | 'fail' | 'unknown' | 'conflict')[]
  readonly stored?: number
  readonly tx?: true
}

const PUBLISHES = 75
const PLAIN: Course = { ends: ['ok'], stored: 0 }
/** By the ordinal of the publish, modulo 25. */
const COURSES: ReadonlyMap<number, Course> = new Map([
  [3, { ends: ['unknown', 'ok'], stored: 0 }],
  [5, { ends: ['unknown'], stored: 0 }],
  [7, { ends: ['unknown'] }],
  [9, { ends: ['unknown', 'ok'], stored: 1 }],
  [11, { ends: ['fail'] }],
  [13, { ends: ['fail', 'ok'], stored: 1 }],
  [15, { ends: ['ok'], stored: 0, tx: true }],
  [17, { ends: ['fail'], tx: true }],
  [19, { ends: ['ok', 'conflict'], stored: 0 }],
  [21, { ends: ['ok', 'ok'], stored: 0 }],
] satisfies [number, Course][])

/** @returns what is stored, in order */
export function publishAll(world: World): Logged[] {
  const log: Logged[] = []
  for (const producer of ['p1.11', 'p2.22']) produce(world, producer, log)
  return log.toSorted((a, b) => a.storedAt - b.storedAt)
}

function produce(world: World, producer: string, log: Logged[]): void {
  const { random } = world
  let at = 10 + random() * 5
  for (let ordinal = 0; ordinal < PUBLISHES; ordinal++) {
    const id = `${producer.slice(0, 2)}-${ordinal}`
    const key = ordinal % 6 === 0 ? undefined : `k${Math.floor(random() * 5)}`
    const content = contentOf(id, key, random() < 0.5 ? 'eu' : 'us')
    const course = COURSES.get(ordinal % 25) ?? PLAIN
    const begunAt = at
    for (const [repeat, end] of course.ends.entries()) {
      const tookMs = 1 + random() * 9
      publish(world, { producer, op: `${ordinal}.${repeat}`, id, content, at, tookMs, end, course, repeat })
      if (course.stored === repeat) log.push({ id, content, storedAt: at + tookMs * (0.2 + random() * 0.6), ordinal })
      at += tookMs + 1
    }
    // Somebody else publishes to the same key at the same time, so that the order between the two is the bus's to choose.
    if (ordinal % 10 === 4 && producer === 'p1.11') beside(world, ordinal, content, begunAt, log)
    at += random() * 20
  }
}

interface Publishing {
  readonly producer: string
  readonly op: string
  readonly id: string
  readonly content: Content
  readonly at: number
  readonly tookMs: number
  readonly end: Course['ends'][number]
  readonly course: Course
  readonly repeat: number
}

function publish({ note }: World, { producer, op, id, content, at, tookMs, end, course, repeat }: Publishing): void {
  const tx = course.tx ? { tx: true } : {}
  const sent = end === 'conflict' ? { ...content, hash: `another ${content.hash}` } : content
  note(producer, at, { ev: 'pub.invoke', op, id, bytes: 10, timeout_ms: 5000, ...tx, ...sent })
  const duplicate = course.stored !== undefined && repeat > course.stored
  if (end === 'ok') note(producer, at + tookMs, { ev: 'pub.ok', op, duplicate })
  else if (end === 'unknown') note(producer, at + tookMs, { ev: 'pub.unknown', op, code: 'BUS_TIMEOUT' })
  else {
    const code = end === 'conflict' ? 'BUS_ID_CONFLICT' : 'BUS_UNAVAILABLE'
    note(producer, at + tookMs, { ev: 'pub.fail', op, code })
  }
}

function beside({ note, random }: World, ordinal: number, like: Content, at: number, log: Logged[]): void {
  const [id, op] = [`p3-${ordinal}`, `${ordinal}`]
  const content = { ...like, hash: `hash of ${id}` }
  note('p3.13', at + 0.1, { ev: 'pub.invoke', op, id, bytes: 10, timeout_ms: 5000, ...content })
  note('p3.13', at + 9, { ev: 'pub.ok', op, duplicate: false })
  log.push({ id, content, storedAt: at + 0.2 + random() * 8, ordinal: 0 })
}

function contentOf(id: string, key: string | undefined, region: string): Content {
  const rest = { topic: `orders.${region}.${key ?? 'none'}`, hash: `hash of ${id}`, hdr_hash: `headers of ${region}` }
  return key === undefined ? rest : { ...rest, key }
}
