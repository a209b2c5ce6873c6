/** Why a message was handed to a handler once more. Rules on duplicates and on attempts share it. */
import { endedWith } from './faults.js'
import type { History } from './history.js'
import type { Attempt } from './records.js'

/** Timers count whole milliseconds, so something on time can seem that much early. */
export const TIMER_GRAIN_MS = 2

/** The first two are ordinary; a start for the other reasons is a duplicate that is excused. Undefined: nothing in the history explains it. */
export type Cause = 'failed' | 'returned' | 'timed out' | 'disturbed' | undefined

/** @param attempts of one message in one group, by start  @param at the one to explain, from 1: the first needs no cause */
export function causeOf(history: History, attempts: readonly Attempt[], at: number): Cause {
  const [previous, next] = [attempts[at - 1], attempts[at]]
  if (previous === undefined || next === undefined) return undefined
  const isBetween = (moment: number): boolean => moment >= previous.startedAt && moment <= next.startedAt
  // What ended before the previous start has explained that one already.
  for (const earlier of attempts.slice(0, at)) {
    if (earlier.how === 'retry' && isBetween(earlier.settledAt)) return 'failed'
    if (earlier.how === 'returned' && isBetween(earlier.settledAt)) return 'returned'
  }
  if (timedOut(previous, next.startedAt)) return 'timed out'
  return isDisturbed(history, previous, next) ? 'disturbed' : undefined
}

/**
 * Whether a fault, or the end of the process, may have kept the outcome of one attempt from the bus before the next one began. What was out
 * when a fault ended comes again one ack wait later at most.
 */
export function isDisturbed({ faults }: History, previous: Attempt, next: Attempt): boolean {
  if (faults.areNone) return false
  if (previous.how === 'unknown' || endedWith(previous, next.startedAt)) return true
  const ackWaitMs = previous.group.rules?.ack_wait_ms ?? 0
  const processes = [previous.source.proc, next.source.proc]
  return faults.overlap(previous.startedAt, next.startedAt, processes, ackWaitMs)
}

function timedOut({ group, startedAt, settledAt }: Attempt, moment: number): boolean {
  const limit = group.rules?.timeout_ms
  if (limit === undefined) return false
  const end = startedAt + limit
  return settledAt > end - TIMER_GRAIN_MS && moment >= end - TIMER_GRAIN_MS
}
