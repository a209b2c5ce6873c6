/**
 * Clean histories out of a run number: what a bus that keeps every promise would leave behind, with producers, keys, three groups, retries, dead
 * letters, transactions, unknown outcomes, a killed worker and a broker that goes away. Times are invented; nothing runs.
 */
import type { GroupRules, HistoryEvent, Line } from '../../../testing/history/event.js'
import { randomOf } from '../../../testing/run-number.js'
import { handle, type World } from './simulated-groups.js'
import { publishAll } from './simulated-producers.js'

/** An event of a process, `at` milliseconds. Files are named by process and pid: `w2.31`. */
export interface Entry {
  readonly file: string
  readonly at: number
  readonly event: HistoryEvent
}

export const GROUPS: readonly GroupRules[] = [
  { group: 'billing', order: 'key', attempts: 3, backoff_ms: [20, 40], transactional: true, ack_wait_ms: 300 },
  { group: 'audit', order: 'none', attempts: 4, backoff_ms: [15], transactional: false, ack_wait_ms: 300 },
  {
    group: 'mail',
    order: 'key',
    attempts: 3,
    backoff_ms: [30],
    transactional: false,
    ack_wait_ms: 300,
    prefix: 'orders.eu.',
  },
]

const KILLED = ['w2.31', 'p2.12']
const OTHERS = ['p1.11', 'p2.22', 'p3.13', 'w1.30', 'w2.32', 'w3.33', 'control.1']

/** @param isCalm nothing is broken: then nothing happens twice without a failure */
export function simulate(runNumber: number, { isCalm = false } = {}): Entry[] {
  const random = randomOf(runNumber)
  const entries: Entry[] = []
  const note = (file: string, at: number, event: HistoryEvent): void => void entries.push({ file, at, event })
  const killAt = isCalm ? Number.POSITIVE_INFINITY : 600
  const cut = isCalm ? { from: Number.POSITIVE_INFINITY, to: Number.NEGATIVE_INFINITY } : { from: 1000, to: 1080 }
  const world: World = { random, note, state: [], killAt, cut }
  const config = { adapter: 'simulation', groups: GROUPS, dedup_window_ms: 120_000, versions: { simulation: '1' } }
  note('control.1', 1, { ev: 'config', ...config })
  if (!isCalm) breakThings(world)
  const log = publishAll(world)
  for (const rules of GROUPS) handle(world, rules, log)
  const endAt = Math.max(...entries.map(({ at }) => at)) + 50
  note('control.1', endAt - 20, { ev: 'heal' })
  note('control.1', endAt, { ev: 'quiesce', drained: true, bound_ms: 60_000 })
  const ids = log.map(({ id }) => id)
  note('w1.30', endAt + 10, { ev: 'state.replay', reader: 'w1', ids })
  for (const [rank, { id, content }] of log.entries()) {
    note('control.1', endAt + 30, { ev: 'state.message', store: 'ledger', seq: rank + 1, id, ...content })
    note('control.1', endAt + 31, { ev: 'state.message', store: 'stream', seq: rank + 101, id, ...content })
  }
  note('control.1', endAt + 32, { ev: 'state.store', store: 'ledger', messages: log.length })
  note('control.1', endAt + 32, { ev: 'state.store', store: 'stream', messages: log.length })
  for (const event of world.state) note('control.1', endAt + 33, event)
  for (const { group } of GROUPS) note('control.1', endAt + 33, { ev: 'state.group', group, pending: 0, in_flight: 0 })
  const closed = isCalm ? [...OTHERS, ...KILLED] : OTHERS
  for (const file of closed) {
    const memory = { rss_bytes: 80 * 2 ** 20, rss_limit_bytes: 700 * 2 ** 20 }
    note(file, endAt + 40, { ev: 'state.process', proc: file, left: [], ...memory })
    note(file, endAt + 41, { ev: 'close' })
  }
  return entries.toSorted((a, b) => a.at - b.at)
}

function breakThings({ note, killAt, cut }: World): void {
  note('control.1', killAt, { ev: 'fault.begin', id: '1', kind: 'kill', target: 'w2' })
  note('control.1', killAt + 60, { ev: 'fault.end', id: '1' })
  note('control.1', cut.from, { ev: 'fault.begin', id: '2', kind: 'restart', target: 'nats1' })
  note('control.1', cut.to, { ev: 'fault.end', id: '2' })
  note('p2.12', killAt - 300, { ev: 'pub.invoke', op: 'killed', id: 'killed', bytes: 9, timeout_ms: 5000, ...LOST })
}

/** Its producer was killed before the answer, and it was not stored. */
const LOST = { topic: 'orders.eu.k1', key: 'k1', hash: 'hash of killed', hdr_hash: 'headers' }

/** As the processes would have written it. */
export function linesOf(entries: readonly Entry[]): Map<string, Line[]> {
  const files = new Map<string, Line[]>()
  for (const { file, at, event } of entries.toSorted((a, b) => a.at - b.at)) {
    const lines = files.get(file) ?? []
    files.set(file, lines)
    const [proc = '', pid] = file.split('.')
    const wall = new Date(at).toISOString()
    const mono_ns = `${Math.round(at * 1e6)}`
    lines.push({ v: 1, run: 'simulated', proc, pid: Number(pid), n: lines.length + 1, mono_ns, wall, ...event })
  }
  return files
}
