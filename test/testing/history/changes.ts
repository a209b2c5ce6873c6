/**
 * Single changes to a clean history, each with the rule that must notice, and the rules that may notice as well because what they judge was
 * changed too. Every other rule must still pass.
 */
import type { RuleCode } from '../../../testing/history/index.js'
import * as order from './changes-of-order.js'
import * as stores from './changes-of-stores.js'
import {
  acceptedIds,
  add,
  all,
  change,
  contentOf,
  found,
  handling,
  isHandling,
  middle,
  rejectedIds,
  replace,
  simple,
  withFields,
} from './entries.js'
import type { Entry } from './simulation.js'

export interface Change {
  readonly name: string
  readonly must: RuleCode
  readonly finding: string
  readonly may?: readonly RuleCode[]
  /** Only where nothing is broken: a fault would excuse it. */
  readonly isCalm?: true
  readonly change: (entries: readonly Entry[]) => Entry[]
}

const lose = (entries: readonly Entry[], id: string, group?: string): Entry[] =>
  entries.filter((entry) => !isHandling(entry, id, group))

/** Handled at the first attempt, and accepted: an unknown one may be missing. */
function acceptedAndSimple(entries: readonly Entry[], group: string) {
  const accepted = new Set(acceptedIds(entries))
  return middle(simple(entries, group).filter(({ id }) => accepted.has(id)))
}

const LOSSES: readonly Change[] = [
  ['at the start', (ids: readonly string[]) => found(ids[0])],
  ['in the middle', middle],
  ['at the end', (ids: readonly string[]) => found(ids.at(-1))],
].map(([where, pick]) => ({
  name: `an accepted message is lost ${where}`,
  must: 'R1',
  finding: 'never delivered',
  change: (entries) => lose(entries, (pick as typeof middle)(acceptedIds(entries))),
}))

const CONTENTS: readonly Change[] = [
  ['payload', { hash: 'one byte differs' }],
  ['headers', { hdr_hash: 'one header differs' }],
  ['topic', { topic: 'orders.us.elsewhere' }],
  ['key', { key: 'another' }],
].map(([part, fields]) => ({
  name: `a message is delivered with another ${part}`,
  must: 'R2',
  finding: 'altered',
  change: (entries) => change(entries, middle(simple(entries, 'billing')).start, Object(fields)),
}))

const DELIVERIES: readonly Change[] = [
  {
    name: 'an accepted message is lost for one group',
    must: 'R1',
    finding: 'never delivered',
    change: (entries) => lose(entries, acceptedAndSimple(entries, 'audit').id, 'audit'),
  },
  {
    name: 'a handler says that it is done and its transaction is not there',
    must: 'R1',
    finding: 'never settled',
    change: (entries) => {
      const { id } = acceptedAndSimple(entries, 'billing')
      return entries.filter(
        ({ event }) => !(event.ev === 'state.effect' && event.group === 'billing' && event.id === id),
      )
    },
  },
  {
    name: 'a message is delivered that nobody published',
    must: 'R2',
    finding: 'never published',
    change: (entries) => {
      const content = { ...contentOf(entries, found(acceptedIds(entries)[3])), hash: 'invented' }
      return add(entries, ...handling(entries, 'audit', 'invented', content, 500))
    },
  },
  {
    name: 'a message is delivered that was rejected',
    must: 'R2',
    finding: 'rejected',
    change: (entries) => {
      const [id] = rejectedIds(entries)
      return add(entries, ...handling(entries, 'audit', found(id), contentOf(entries, found(id)), 900))
    },
  },
  {
    name: 'a message is delivered after it was rejected and before the repeat that was accepted',
    must: 'R2',
    finding: 'too early',
    change: (entries) => {
      const first = found(all(entries, 'pub.fail').find(({ event }) => event.op === '13.0'))
      const repeat = found(
        all(entries, 'pub.invoke').find(({ file, event }) => file === first.file && event.op === '13.1'),
      )
      const started = found(
        all(entries, 'h.start').find(({ event }) => event.group === 'audit' && event.id === repeat.event.id),
      )
      return replace(entries, (entry) => (entry === started ? { ...entry, at: (first.at + repeat.at) / 2 } : entry))
    },
  },
  {
    name: 'a replay has a message that nobody published',
    must: 'R2',
    finding: 'never published',
    change: (entries) => {
      const replay = found(all(entries, 'state.replay')[0])
      return change(entries, replay, { ids: [...replay.event.ids, 'invented'] })
    },
  },
  {
    name: 'an effect is committed twice',
    must: 'R3',
    finding: 'double effect',
    change: (entries) => add(entries, middle(all(entries, 'state.effect'))),
  },
  {
    name: 'a message that is done is handled again although nothing is broken',
    must: 'R3',
    finding: 'no reason',
    may: ['R6'],
    isCalm: true,
    change: (entries) => {
      const { id, end, content } = middle(simple(entries, 'audit'))
      return add(entries, ...handling(entries, 'audit', id, content, end.at + 5))
    },
  },
  {
    name: 'a handler is started more often than it has attempts',
    must: 'R3',
    finding: 'too many attempts',
    may: ['R6'],
    change: (entries) => {
      const last = found(all(entries, 'h.start').find(({ event }) => event.group === 'billing' && event.attempt === 3))
      const { group, id } = last.event
      const isIt = ({ event }: Entry): boolean =>
        event.ev.startsWith('h.') &&
        'attempt' in event &&
        event.attempt === 3 &&
        event.id === id &&
        event.group === group
      return replace(entries, (entry) => (isIt(entry) ? withFields(entry, { attempt: 4 }) : entry))
    },
  },
]

const ENDS: readonly Change[] = [
  {
    name: 'an operation never ends',
    must: 'R7',
    finding: 'pending',
    change: (entries) => {
      const one = middle(all(entries, 'pub.ok').filter(({ file }) => file === 'p1.11'))
      return entries.filter((entry) => entry !== one)
    },
  },
  {
    name: 'an operation ends long after its time limit',
    must: 'R7',
    finding: 'pending',
    change: (entries) => {
      const late = found(all(entries, 'pub.ok').findLast(({ file }) => file === 'p1.11'))
      return replace(entries, (entry) => {
        if (entry === late) return { ...entry, at: late.at + 8000 }
        return entry.file === 'p1.11' && entry.at > late.at ? { ...entry, at: entry.at + 8000 } : entry
      })
    },
  },
  {
    name: 'the backlog is not drained',
    must: 'R7',
    finding: 'not drained',
    change: (entries) => change(entries, found(all(entries, 'quiesce')[0]), { drained: false }),
  },
  {
    name: 'a group has a message left',
    must: 'R7',
    finding: 'backlog',
    change: (entries) => change(entries, found(all(entries, 'state.group')[1]), { in_flight: 1 }),
  },
  {
    name: 'a timer is left after the end',
    must: 'R10',
    finding: 'left open',
    change: (entries) => change(entries, found(all(entries, 'state.process')[0]), { left: ['Timeout'] }),
  },
  {
    name: 'a process outgrows its memory',
    must: 'R10',
    finding: 'memory',
    change: (entries) => change(entries, found(all(entries, 'state.process')[0]), { rss_bytes: 2 ** 33 }),
  },
]

export const CHANGES: readonly Change[] = [
  ...LOSSES,
  ...CONTENTS,
  ...DELIVERIES,
  ...stores.CHANGES,
  ...order.CHANGES,
  ...ENDS,
]
