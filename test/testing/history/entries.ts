/** Looking up and changing single things in a simulated history. */
import type { Content, HistoryEvent } from '../../../testing/history/event.js'
import { type Entry, GROUPS } from './simulation.js'

export type Ev<Name extends HistoryEvent['ev']> = Extract<HistoryEvent, { ev: Name }>

/** The entries of one kind of event. */
export function all<Name extends HistoryEvent['ev']>(
  entries: readonly Entry[],
  ev: Name,
): (Entry & { readonly event: Ev<Name> })[] {
  return entries.filter((entry): entry is Entry & { readonly event: Ev<Name> } => entry.event.ev === ev)
}

/** A change that finds nothing to change would prove nothing. */
export function found<Value>(value: Value | undefined): Value {
  if (value === undefined) throw new Error('the simulated history has nothing of the kind')
  return value
}

/** Of several, the one in the middle. */
export function middle<Item>(items: readonly Item[]): Item {
  return found(items[Math.floor(items.length / 2)])
}

/** Of a handler, an effect or a dead letter. */
export function isHandling({ event }: Entry, id: string, group?: string): boolean {
  const ofHandler = event.ev.startsWith('h.') || event.ev === 'state.effect' || event.ev === 'state.dead'
  return (
    ofHandler &&
    'id' in event &&
    event.id === id &&
    (group === undefined || ('group' in event && event.group === group))
  )
}

export function replace(entries: readonly Entry[], change: (entry: Entry) => Entry): Entry[] {
  return entries.map(change).toSorted((a, b) => a.at - b.at)
}

/** The same entry with other fields in its event. */
export function withFields(entry: Entry, fields: object): Entry {
  return { ...entry, event: Object.assign({ ...entry.event }, fields) }
}

/** Changes the first match only. */
export function change(entries: readonly Entry[], one: Entry, fields: object): Entry[] {
  return replace(entries, (entry) => (entry === one ? withFields(entry, fields) : entry))
}

export function add(entries: readonly Entry[], ...more: readonly Entry[]): Entry[] {
  return [...entries, ...more].toSorted((a, b) => a.at - b.at)
}

/** Ids that were accepted at their first publish, in the order of their acceptance. */
export function acceptedIds(entries: readonly Entry[]): string[] {
  const ids = new Map(all(entries, 'pub.invoke').map(({ file, event }) => [`${file} ${event.op}`, event.id]))
  const accepted = all(entries, 'pub.ok').map(({ file, event }) => found(ids.get(`${file} ${event.op}`)))
  return [...new Set(accepted)]
}

/** Ids of which every publish was rejected. */
export function rejectedIds(entries: readonly Entry[]): string[] {
  const ended = new Map(
    entries.flatMap(({ file, event }) =>
      'op' in event && event.ev !== 'pub.invoke' ? [[`${file} ${event.op}`, event.ev]] : [],
    ),
  )
  const outcomes = new Map<string, (string | undefined)[]>()
  for (const { file, event } of all(entries, 'pub.invoke'))
    outcomes.set(event.id, [...(outcomes.get(event.id) ?? []), ended.get(`${file} ${event.op}`)])
  return [...outcomes].filter(([, each]) => each.every((outcome) => outcome === 'pub.fail')).map(([id]) => id)
}

export function contentOf(entries: readonly Entry[], id: string): Content {
  const { topic, key, hash, hdr_hash } = found(all(entries, 'pub.invoke').find(({ event }) => event.id === id)).event
  return { topic, hash, hdr_hash, ...(key !== undefined && { key }) }
}

export function startsOf(entries: readonly Entry[], group: string, id: string) {
  return all(entries, 'h.start').filter(({ event }) => event.group === group && event.id === id)
}

/** Ids that a group handled at the first attempt, with that attempt's start and end. */
export function simple(entries: readonly Entry[], group: string) {
  const ends = new Map(
    all(entries, 'h.settle')
      .filter(({ event }) => event.group === group && event.how === 'done')
      .map((entry) => [entry.event.id, entry]),
  )
  const starts = new Map<string, Entry[]>()
  for (const entry of all(entries, 'h.start'))
    if (entry.event.group === group) starts.set(entry.event.id, [...(starts.get(entry.event.id) ?? []), entry])
  return [...starts].flatMap(([id, [start, ...more]]) => {
    const end = ends.get(id)
    return start && end && more.length === 0 ? [{ id, start, end, content: contentOf(entries, id) }] : []
  })
}

/** A start and an end by somebody who had no business to. */
export function handling(entries: readonly Entry[], group: string, id: string, content: Content, at: number): Entry[] {
  const { group: name } = found(GROUPS.find((rules) => rules.group === group))
  const file = found(all(entries, 'h.start')[0]).file
  const attempt = { group: name, id, attempt: 1 }
  return [
    { file, at, event: { ev: 'h.start', ...attempt, ...content } },
    { file, at: at + 1, event: { ev: 'h.settle', ...attempt, how: 'done' } },
  ]
}

/** Puts a message at the end of the lists of some stores. */
export function stored(
  entries: readonly Entry[],
  stores: readonly ('ledger' | 'stream')[],
  id: string,
  content: Content,
): Entry[] {
  const counted = replace(entries, (entry) =>
    entry.event.ev === 'state.store' && stores.includes(entry.event.store)
      ? withFields(entry, { messages: entry.event.messages + 1 })
      : entry,
  )
  const listed = stores.map((store) => {
    const last = found(all(entries, 'state.message').findLast(({ event }) => event.store === store))
    return { ...last, event: { ev: 'state.message', store, seq: last.event.seq + 1, id, ...content } } as const
  })
  return add(counted, ...listed)
}

/** Takes a message off the list of a store. */
export function unstored(entries: readonly Entry[], store: 'ledger' | 'stream', id: string): Entry[] {
  return entries
    .filter(({ event }) => !(event.ev === 'state.message' && event.store === store && event.id === id))
    .map((entry) =>
      entry.event.ev === 'state.store' && entry.event.store === store
        ? withFields(entry, { messages: entry.event.messages - 1 })
        : entry,
    )
}
