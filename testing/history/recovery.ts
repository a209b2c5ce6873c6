/** How soon all was well again, for each kind of fault. No figure decides a verdict. */

import type { History } from './history.js'
import type { Attempt, Fault, Message } from './records.js'
import { acceptedFirst } from './standing.js'

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
  /** From the end of the fault until everything accepted before it had been started by every group: later faults included. */
  readonly toClear?: Spread | undefined
  /** From the last word of a process that died in the fault until somebody else had started all that it was at. */
  readonly takeover?: Spread | undefined
  /** From the heal that followed to rest. */
  readonly toQuiesce?: Spread | undefined
  /** The longest stretch around the fault in which no publish was accepted: the pace of the load included. */
  readonly withoutAcceptance?: Spread | undefined
}

/** A message that a group did not start at once. */
interface Delay {
  readonly acceptedAt: number
  readonly startedAt: number
}

/** Less is no delay, in ms. */
const PROMPT_MS = 20
/** A process that is killed at the beginning of a fault may have said its last word so long before. */
const SILENT_MS = 200

export function recoveryOf(history: History): Recovery[] {
  const [starts, accepted, delays]: [number[], number[], Delay[]] = [[], [], []]
  for (const message of history.messages.values()) {
    for (const { startedAt } of message.attempts) starts.push(startedAt)
    for (const { outcome, endedAt } of message.publishes) if (outcome === 'ok') accepted.push(endedAt)
    delays.push(...delaysOf(message))
  }
  starts.sort((a, b) => a - b)
  accepted.sort((a, b) => a - b)
  return [...byKind(history.faults.all)].map(([kind, faults]) => ({
    kind,
    faults: faults.length,
    toFirstStart: spreadOf(faults.map(({ endedAt }) => since(endedAt, starts))),
    toClear: spreadOf(faults.map(({ endedAt }) => clearedAfter(endedAt, delays))),
    takeover: spreadOf(faults.flatMap((fault) => takeovers(history, fault))),
    toQuiesce: spreadOf(faults.map((fault) => healToRest(history, fault))),
    withoutAcceptance: spreadOf(faults.map((fault) => longestGap(fault, accepted, history.endAt))),
  }))
}

function byKind(faults: readonly Fault[]): Map<string, Fault[]> {
  const kinds = new Map<string, Fault[]>()
  for (const fault of faults) kinds.set(fault.kind, [...(kinds.get(fault.kind) ?? []), fault])
  return kinds
}

/** Of the first start in each group. */
function delaysOf(message: Message): Delay[] {
  const acceptedAt = acceptedFirst(message)?.endedAt
  if (acceptedAt === undefined) return []
  const firsts = message.attempts.filter((attempt, at) => isFirst(attempt, at, message.attempts))
  return firsts
    .filter(({ startedAt }) => startedAt - acceptedAt > PROMPT_MS)
    .map(({ startedAt }) => ({ acceptedAt, startedAt }))
}

function isFirst({ group }: Attempt, at: number, attempts: readonly Attempt[]): boolean {
  return attempts.findIndex((each) => each.group === group) === at
}

function clearedAfter(moment: number, delays: readonly Delay[]): number {
  let last = moment
  for (const { acceptedAt, startedAt } of delays) if (acceptedAt <= moment && startedAt > last) last = startedAt
  return last - moment
}

/** For each process that died in the fault, unless nobody had to start anything again. */
function takeovers({ faults, messages }: History, { beganAt, endedAt }: Fault): number[] {
  const dead = faults.killed.filter(({ lastAt }) => lastAt >= beganAt - SILENT_MS && lastAt <= endedAt)
  if (dead.length === 0) return []
  const last = new Map(dead.map((source) => [source, 0]))
  for (const { attempts } of messages.values()) {
    for (const attempt of attempts) {
      const before = last.get(attempt.source)
      if (before === undefined || attempt.how !== undefined) continue
      const next = attempts.find(({ group, startedAt }) => group === attempt.group && startedAt > attempt.startedAt)
      if (next !== undefined) last.set(attempt.source, Math.max(before, next.startedAt - attempt.source.lastAt))
    }
  }
  return [...last.values()].filter((ms) => ms > 0)
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
