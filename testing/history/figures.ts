/** What a history measures besides right and wrong: how often, how long. No figure decides a verdict. */

import type { History } from './history.js'
import type { Fault, Message, Publish } from './records.js'
import { duplicateStarts } from './rules/duplicates.js'
import { acceptedFirst, standingOf } from './standing.js'

/** Milliseconds. */
export interface Spread {
  readonly count: number
  readonly p50: number
  readonly p95: number
  readonly max: number
}

/** Of one kind of fault. */
export interface Recovery {
  readonly kind: string
  readonly faults: number
  /** From the end of the fault to the next start of a handler. */
  readonly toFirstStart?: Spread | undefined
  /** From the heal that followed to rest. */
  readonly toQuiesce?: Spread | undefined
  /** The longest stretch around the fault in which no publish was accepted: the pace of the load included. */
  readonly withoutAcceptance?: Spread | undefined
}

export interface Figures {
  readonly files: number
  readonly lines: number
  /** Processes that ended without closing their history. */
  readonly killed: number
  readonly publishes: number
  /** Ids, by the best outcome of their publishes. */
  readonly accepted: number
  readonly rejected: number
  readonly unknown: number
  /** Publishes without a certain outcome, and how many of them are known to have stored their message. */
  readonly unknownPublishes: number
  readonly unknownStored: number
  readonly starts: number
  /** Starts that neither a failure nor a hand-back explains. */
  readonly duplicates: number
  readonly duplicatesPerMillion: number
  readonly recovery: readonly Recovery[]
}

export function figuresOf(history: History): Figures {
  const { starts, duplicates } = duplicateStarts(history)
  return {
    files: history.sources.length,
    lines: history.sources.reduce((sum, { lines }) => sum + lines, 0),
    killed: history.faults.killed.length,
    ...countPublishes(history),
    starts,
    duplicates,
    duplicatesPerMillion: starts === 0 ? 0 : (duplicates / starts) * 1e6,
    recovery: recoveryOf(history),
  }
}

function countPublishes(history: History) {
  const counts = { publishes: 0, accepted: 0, rejected: 0, unknown: 0, unknownPublishes: 0, unknownStored: 0 }
  for (const message of history.messages.values()) {
    if (message.publishes.length === 0) continue
    counts.publishes += message.publishes.length
    const standings = message.contents.map((content) => standingOf(message, content))
    if (standings.includes('accepted')) counts.accepted++
    else if (standings.includes('unknown')) counts.unknown++
    else counts.rejected++
    const unknown = message.publishes.filter(({ outcome }) => outcome === 'unknown' || outcome === 'none')
    counts.unknownPublishes += unknown.length
    counts.unknownStored += unknown.filter((publish) => isStored(message, publish)).length
  }
  return counts
}

/** Of an unknown publish: an accepted repeat tells whether it came second; else whatever there is of the message came from it. */
function isStored(message: Message, publish: Publish): boolean {
  const accepted = acceptedFirst(message)
  if (accepted !== undefined) return accepted.content === publish.content && accepted.duplicate === true
  const { content } = publish
  const isOfIt = (each: { readonly content: unknown }): boolean => each.content === content
  return message.stored.some(isOfIt) || message.attempts.some(isOfIt) || message.effects.length > 0
}

function recoveryOf(history: History): Recovery[] {
  const starts: number[] = []
  const accepted: number[] = []
  for (const { attempts, publishes } of history.messages.values()) {
    for (const { startedAt } of attempts) starts.push(startedAt)
    for (const { outcome, endedAt } of publishes) if (outcome === 'ok') accepted.push(endedAt)
  }
  starts.sort((a, b) => a - b)
  accepted.sort((a, b) => a - b)
  const kinds = byKind(history.faults.all)
  return [...kinds].map(([kind, faults]) => ({
    kind,
    faults: faults.length,
    toFirstStart: spreadOf(faults.map(({ endedAt }) => since(endedAt, starts))),
    toQuiesce: spreadOf(faults.map((fault) => healToRest(history, fault))),
    withoutAcceptance: spreadOf(faults.map((fault) => longestGap(fault, accepted, history.endAt))),
  }))
}

function byKind(faults: readonly Fault[]): Map<string, Fault[]> {
  const kinds = new Map<string, Fault[]>()
  for (const fault of faults) kinds.set(fault.kind, [...(kinds.get(fault.kind) ?? []), fault])
  return kinds
}

function since(moment: number, times: readonly number[]): number | undefined {
  const next = times[firstAfter(times, moment)]
  return next === undefined ? undefined : next - moment
}

function healToRest({ heals, quiesces }: History, { endedAt }: Fault): number | undefined {
  const heal = heals.find(({ at }) => at >= endedAt)
  const rest = heal && quiesces.find(({ at, drained }) => drained && at >= heal.at)
  return rest && rest.at - heal.at
}

function longestGap({ beganAt, endedAt }: Fault, accepted: readonly number[], endAt: number): number | undefined {
  if (accepted.length === 0) return undefined
  let longest = 0
  for (let at = Math.max(1, firstAfter(accepted, beganAt)); at < accepted.length; at++) {
    const [from, to] = [accepted[at - 1] ?? 0, accepted[at] ?? 0]
    if (from > Math.min(endedAt, endAt)) break
    longest = Math.max(longest, to - from)
  }
  return longest
}

/** Index of the first of them, in growing order, that is later. */
function firstAfter(times: readonly number[], moment: number): number {
  let [low, high] = [0, times.length]
  while (low < high) {
    const middle = (low + high) >> 1
    if ((times[middle] ?? 0) > moment) high = middle
    else low = middle + 1
  }
  return low
}

function spreadOf(values: readonly (number | undefined)[]): Spread | undefined {
  const sorted = values
    .filter((value) => value !== undefined && Number.isFinite(value))
    .toSorted((a, b) => (a ?? 0) - (b ?? 0))
  if (sorted.length === 0) return undefined
  const at = (share: number): number => sorted[Math.ceil(share * sorted.length) - 1] ?? 0
  return { count: sorted.length, p50: at(0.5), p95: at(0.95), max: at(1) }
}
