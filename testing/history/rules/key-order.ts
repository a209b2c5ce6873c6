/**
 * R5: messages of one key are handled one after the other, retries included, in an order that respects the publishes and on which groups,
 * stores and replays agree. Publishes that overlap in time may come in either order, but in the same one everywhere.
 */
import type { History } from '../history.js'
import type { Attempt, Group, Message } from '../records.js'
import { Findings, type Rule, type Ruling } from '../rule.js'
import { settlementOf } from '../settlement.js'
import { acceptedFirst, attemptsOf, mayBeStored, takes } from '../standing.js'
import { type Keyed, keysOf, type Order, ordersOf } from './orders.js'

export const keyOrder: Rule = { code: 'R5', name: 'order per key', judge }

function judge(history: History): Ruling {
  const findings = new Findings()
  const keys = keysOf(history)
  let checked = 0
  for (const group of history.groups.values()) {
    if (group.rules?.order !== 'key') continue
    for (const [key, keyed] of keys) {
      const turns = turnsOf(history, group, keyed)
      checked += turns.length
      judgePublishOrder(group, key, turns, findings)
      judgeOneAtATime(group, key, turns, findings)
    }
  }
  const orders = ordersOf(history)
  judgeAgreement(keys, orders, findings)
  const [reference, ...held] = orders.map(({ name }) => name)
  const notes = held.length === 0 ? [] : [`held to the order of ${reference}: ${held.join(', ')}`]
  return { checked, findings: findings.list(), notes }
}

/** A message's turn in its lane: from its first start to its settlement, whatever happened in between. */
interface Turn {
  readonly message: Message
  /** When its publish began at the earliest, and when it was accepted first. */
  readonly invokedAt: number
  readonly acceptedAt: number
  readonly first: Attempt
  /** It was over at this moment or later; `-Infinity` when it never was, which is for other rules. */
  readonly overAt: number
}

function turnsOf(history: History, group: Group, keyed: Keyed): Turn[] {
  const turns: Turn[] = []
  for (const { message, content } of keyed) {
    const first = takes(group, content) ? attemptsOf(message, group)[0] : undefined
    if (first === undefined) continue
    const invokedAt = mayBeStored(message).reduce(
      (least, each) => Math.min(least, each.invokedAt),
      Number.POSITIVE_INFINITY,
    )
    const acceptedAt = acceptedFirst(message)?.endedAt ?? Number.POSITIVE_INFINITY
    const overAt = settlementOf(history, message, group)?.notBefore ?? Number.NEGATIVE_INFINITY
    turns.push({ message, invokedAt, acceptedAt, first, overAt })
  }
  return turns
}

/** Accepted before another one's publish began: over before that one starts. */
function judgePublishOrder(group: Group, key: string, turns: readonly Turn[], findings: Findings): void {
  const byInvoke = turns.toSorted((a, b) => a.invokedAt - b.invokedAt)
  const byAcceptance = turns.toSorted((a, b) => a.acceptedAt - b.acceptedAt)
  let at = 0
  let last: Turn | undefined
  for (const turn of byInvoke) {
    for (let next = byAcceptance[at]; next && next.acceptedAt < turn.invokedAt; next = byAcceptance[++at])
      if (last === undefined || next.overAt > last.overAt) last = next
    if (last === undefined || last.overAt <= turn.first.startedAt) continue
    const ids = [last.message.id, turn.message.id]
    const places = [turn.first, last.first]
    findings.add('out of order', ids, places, `group ${group.name}, key ${key}: started before the other was settled`)
  }
}

function judgeOneAtATime(group: Group, key: string, turns: readonly Turn[], findings: Findings): void {
  let last: Turn | undefined
  for (const turn of turns.toSorted((a, b) => a.first.startedAt - b.first.startedAt)) {
    if (last !== undefined && turn.first.startedAt < last.overAt) {
      const ids = [last.message.id, turn.message.id]
      findings.add('at once', ids, [last.first, turn.first], `group ${group.name}, key ${key}: two at work at a time`)
    }
    if (last === undefined || turn.overAt > last.overAt) last = turn
  }
}

/** Each order is held to the first one, key by key. */
function judgeAgreement(keys: ReadonlyMap<string, Keyed>, orders: readonly Order[], findings: Findings): void {
  const [reference, ...others] = orders
  if (reference === undefined) return
  for (const other of others) for (const [key, keyed] of keys) compareOrders(key, keyed, [reference, other], findings)
}

/** What one of the two does not have is passed over. */
function compareOrders(key: string, keyed: Keyed, [wanted, found]: readonly [Order, Order], findings: Findings): void {
  const common = keyed.flatMap(({ message }) => {
    const [rank, position] = [wanted.at.get(message)?.rank, found.at.get(message)]
    return rank === undefined || position === undefined ? [] : [{ message, wantedRank: rank, ...position }]
  })
  let last: (typeof common)[number] | undefined
  for (const each of common.toSorted((a, b) => a.rank - b.rank)) {
    if (last === undefined || each.wantedRank >= last.wantedRank) last = each
    else {
      const text = `key ${key}: ${wanted.name} and ${found.name} disagree on which comes first`
      findings.add('disagreement', [last.message.id, each.message.id], [last.place, each.place], text)
    }
  }
}
