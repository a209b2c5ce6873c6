/** The orders of messages that a history tells of: of its stores, of its replays and of the groups that keep an order. */
import type { Content } from '../event.js'
import type { History } from '../history.js'
import type { Group, Message, Place, StoreName } from '../records.js'
import { attemptsOf, standingOf } from '../standing.js'

/** The messages of one key, in no particular order. */
export type Keyed = readonly { readonly message: Message; readonly content: Content }[]

export interface Order {
  readonly name: string
  readonly at: ReadonlyMap<Message, { readonly rank: number; readonly place: Place }>
}

export function keysOf(history: History): ReadonlyMap<string, Keyed> {
  const keys = new Map<string, { message: Message; content: Content }[]>()
  for (const message of history.messages.values()) {
    const content = contentOf(message)
    if (content?.key === undefined) continue
    const keyed = keys.get(content.key)
    if (keyed === undefined) keys.set(content.key, [{ message, content }])
    else keyed.push({ message, content })
  }
  return keys
}

/** What was published under the id: of several contents the accepted one. */
function contentOf(message: Message): Content | undefined {
  const ofStanding = (wanted: string): Content | undefined =>
    message.contents.find((content) => standingOf(message, content) === wanted)
  return ofStanding('accepted') ?? ofStanding('unknown')
}

/** The first is the one that the others are held to: the ledger's if there is one. */
export function ordersOf(history: History): Order[] {
  const stores = (['ledger', 'stream'] as const).filter((store) => history.looksAt(store) > 0)
  const groups = [...history.groups.values()].filter(({ rules }) => rules?.order === 'key')
  return [
    ...stores.map((store) => ofStore(history, store)),
    ...groups.map((group) => ofGroup(history, group)),
    ...history.replays.map(({ reader, ids, ...place }, index) => ({
      name: `replay ${index + 1} (${reader})`,
      at: ranks(history, ids, place),
    })),
  ]
}

/** A copy that a repair may have sent again has no place of its own in the order. */
function ofStore(history: History, store: StoreName): Order {
  const look = history.looksAt(store)
  const at = new Map<Message, { rank: number; place: Place }>()
  for (const message of history.messages.values())
    for (const each of message.stored) {
      if (each.store !== store || each.look !== look || each.again) continue
      const known = at.get(message)
      if (known === undefined || each.seq < known.rank) at.set(message, { rank: each.seq, place: each })
    }
  return { name: `the ${store}`, at }
}

/** By first starts. */
function ofGroup(history: History, group: Group): Order {
  const at = new Map<Message, { rank: number; place: Place }>()
  for (const message of history.messages.values()) {
    const [first] = attemptsOf(message, group)
    if (first !== undefined) at.set(message, { rank: first.startedAt, place: first })
  }
  return { name: `group ${group.name}`, at }
}

function ranks(history: History, ids: readonly string[], place: Place): Order['at'] {
  const at = new Map<Message, { rank: number; place: Place }>()
  for (const [rank, id] of ids.entries()) {
    const message = history.messages.get(id)
    if (message !== undefined && !at.has(message)) at.set(message, { rank, place })
  }
  return at
}
