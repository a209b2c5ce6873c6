/** Changes to the order of messages and to their attempts. */
import type { Change } from './changes.js'
import { add, all, change, found, replace, simple, startsOf, withFields } from './entries.js'
import type { Entry } from './simulation.js'

type Handled = ReturnType<typeof simple>[number]

/** Two of one key that a group handled at their first attempts. */
function pair(entries: readonly Entry[], group: string, fits: (one: Handled, other: Handled) => boolean) {
  const handled = simple(entries, group).filter(({ content }) => content.key !== undefined)
  const pairs = handled.flatMap((one) =>
    handled
      .filter((other) => other.id !== one.id && other.content.key === one.content.key && fits(one, other))
      .map((other) => [one, other] as const),
  )
  return found(pairs[Math.floor(pairs.length / 2)])
}

/** Published at the same time by two producers, so that either order is right, but only one. */
const isBeside = (one: Handled, other: Handled): boolean => other.id === one.id.replace('p1-', 'p3-')

/** In one group each takes the other's place. */
function swap(entries: readonly Entry[], group: string, [one, other]: readonly [Handled, Handled]): Entry[] {
  const exchange = (entry: Entry, { id, content }: Handled): Entry =>
    withFields(entry, entry.event.ev === 'h.start' ? { id, ...content } : { id })
  return entries.map((entry) => {
    const { event } = entry
    if (!event.ev.startsWith('h.') || !('group' in event) || event.group !== group) return entry
    if ('id' in event && event.id === one.id) return exchange(entry, other)
    return 'id' in event && event.id === other.id ? exchange(entry, one) : entry
  })
}

function publishTimes(entries: readonly Entry[]): (id: string) => number {
  const times = new Map(all(entries, 'pub.invoke').map(({ event, at }) => [event.id, at]))
  return (id) => found(times.get(id))
}

/** Failed once, then done: the end of the first attempt and the start of the second. */
function retried(entries: readonly Entry[], group: string) {
  const ends = all(entries, 'h.settle').filter(({ event }) => event.group === group && event.how === 'retry')
  return found(
    ends
      .map((end) => ({ id: end.event.id, end, starts: startsOf(entries, group, end.event.id) }))
      .find(({ starts }) => starts.length === 2),
  )
}

/** Gives the second attempt another number, wherever it is told of. */
function renumber(entries: readonly Entry[], group: string, attempt: number): Entry[] {
  const { id } = retried(entries, group)
  return replace(entries, (entry) => {
    const { event } = entry
    const isSecond = 'attempt' in event && event.attempt === 2 && event.id === id && event.group === group
    return isSecond ? withFields(entry, { attempt }) : entry
  })
}

export const CHANGES: readonly Change[] = [
  {
    name: 'two of one key change places in a group',
    must: 'R5',
    finding: 'out of order',
    may: ['R2'],
    change: (entries) => {
      const publishedAt = publishTimes(entries)
      const isAfter = (one: Handled, other: Handled): boolean => {
        const since = publishedAt(other.id) - publishedAt(one.id)
        return since > 30 && since < 300
      }
      return swap(entries, 'billing', pair(entries, 'billing', isAfter))
    },
  },
  {
    name: 'two groups differ on the order of two that were published at the same time',
    must: 'R5',
    finding: 'disagreement',
    change: (entries) => swap(entries, 'billing', pair(entries, 'billing', isBeside)),
  },
  {
    name: 'a replay has two of one key in another order',
    must: 'R5',
    finding: 'disagreement',
    change: (entries) => {
      const [one, other] = pair(entries, 'billing', () => true)
      const replay = found(all(entries, 'state.replay')[0])
      const swapped = replay.event.ids.map((id) => (id === one.id ? other.id : id === other.id ? one.id : id))
      return change(entries, replay, { ids: swapped })
    },
  },
  {
    name: 'the stream has two of one key in another order than the ledger',
    must: 'R5',
    finding: 'disagreement',
    change: (entries) => {
      const [one, other] = pair(entries, 'billing', () => true)
      const inStream = all(entries, 'state.message').filter(({ event }) => event.store === 'stream')
      const [first, second] = [one, other].map(({ id }) => found(inStream.find(({ event }) => event.id === id)))
      const swapped = change(entries, found(first), { seq: found(second).event.seq })
      return change(swapped, found(second), { seq: found(first).event.seq })
    },
  },
  {
    name: 'two of one key are handled at once',
    must: 'R5',
    finding: 'at once',
    change: (entries) => {
      const [one, other] = pair(entries, 'billing', isBeside)
      const [first, second] = one.start.at < other.start.at ? [one, other] : [other, one]
      const at = (first.start.at + first.end.at) / 2
      return replace(entries, (entry) => (entry === second.start ? { ...entry, at } : entry))
    },
  },
  {
    name: 'an attempt has the number of the one before',
    must: 'R6',
    finding: 'attempt repeated',
    isCalm: true,
    change: (entries) => renumber(entries, 'audit', 1),
  },
  {
    name: 'an attempt is left out',
    must: 'R6',
    finding: 'attempt skipped',
    isCalm: true,
    change: (entries) => renumber(entries, 'audit', 3),
  },
  {
    name: 'a backoff is cut short',
    must: 'R6',
    finding: 'backoff too short',
    isCalm: true,
    change: (entries) => {
      const { end, starts } = retried(entries, 'billing')
      return replace(entries, (entry) => (entry === starts[1] ? { ...entry, at: end.at + 1 } : entry))
    },
  },
  {
    name: 'a message has two dead letters',
    must: 'R6',
    finding: 'dead twice',
    change: (entries) => add(entries, found(all(entries, 'state.dead')[0])),
  },
  {
    name: 'a message that was handled has a dead letter',
    must: 'R6',
    finding: 'dead too early',
    change: (entries) => {
      const { id } = found(simple(entries, 'audit')[5])
      const at = found(all(entries, 'state.group')[0])
      return add(entries, { ...at, event: { ev: 'state.dead', group: 'audit', id, attempts: 1 } })
    },
  },
  {
    name: 'a message is dead before its attempts are used up',
    must: 'R6',
    finding: 'dead too early',
    change: (entries) => {
      const { id, end } = found(simple(entries, 'audit')[5])
      const at = found(all(entries, 'state.group')[0])
      const ended = change(entries, end, { how: 'dead' })
      const isEffect = ({ event }: Entry): boolean =>
        event.ev === 'h.effect' && event.id === id && event.group === 'audit'
      const left = ended.filter((entry) => !isEffect(entry))
      return add(left, { ...at, event: { ev: 'state.dead', group: 'audit', id, attempts: 1 } })
    },
  },
  {
    name: 'a message is given up and has no dead letter',
    must: 'R6',
    finding: 'no dead letter',
    // It is nowhere then.
    may: ['R1'],
    change: (entries) => {
      const final = found(all(entries, 'h.settle').find(({ event }) => event.how === 'dead'))
      const { group, id } = final.event
      return entries.filter(({ event }) => !(event.ev === 'state.dead' && event.group === group && event.id === id))
    },
  },
]
