/** R6: attempts count up, wait out their backoff, and end in the dead letters when and only when they are used up or the error is final. */
import { isDisturbed, TIMER_GRAIN_MS } from '../cause.js'
import type { History } from '../history.js'
import type { Attempt, Group, Message } from '../records.js'
import { endOf, Findings, type Rule, type Ruling } from '../rule.js'
import { attemptsOf } from '../standing.js'

export const attemptRule: Rule = { code: 'R6', name: 'attempts', judge }

function judge(history: History): Ruling {
  const findings = new Findings()
  let checked = 0
  for (const message of history.messages.values())
    for (const group of history.groups.values()) {
      const attempts = attemptsOf(message, group)
      checked += attempts.length
      judgeNumbers(history, message, attempts, findings)
      for (let at = 1; at < attempts.length; at++) judgeBackoff(history, message, attempts, at, findings)
      judgeDeath(history, message, group, attempts, findings)
    }
  return { checked, findings: findings.list(), notes: [] }
}

/** 1, 2, 3 …; the same again after a hand-back, which costs no attempt, and anything where a fault lies in between. */
function judgeNumbers(history: History, message: Message, attempts: readonly Attempt[], findings: Findings): void {
  const { id, publishes } = message
  const [first] = attempts
  const publishedAt = publishes[0]?.invokedAt ?? 0
  if (first !== undefined && first.number > 1 && !mayHaveBeenTaken(history, publishedAt, first))
    findings.add('attempt skipped', [id], [first], `group ${first.group.name} began with attempt ${first.number}`)
  for (const [at, next] of attempts.entries()) {
    const previous = attempts[at - 1]
    if (previous === undefined || next.number === previous.number + 1) continue
    const text = `group ${next.group.name}: attempt ${previous.number}, then ${next.number}`
    if (next.number > previous.number) {
      if (!mayHaveBeenTaken(history, previous.startedAt, next))
        findings.add('attempt skipped', [id], [previous, next], text)
    } else if (!isRepeatable(history, previous, next)) findings.add('attempt repeated', [id], [previous, next], text)
  }
}

function isRepeatable(history: History, previous: Attempt, next: Attempt): boolean {
  if (previous.how === 'returned' && next.number === previous.number) return true
  return isDisturbed(history, previous, next)
}

/** Whether a process that never began with it may have had it meanwhile and lost it: its attempt is in no file. */
function mayHaveBeenTaken({ faults }: History, from: number, next: Attempt): boolean {
  const ackWaitMs = next.group.rules?.ack_wait_ms ?? 0
  return faults.killedBefore(next.startedAt) || faults.overlap(from, next.startedAt, undefined, ackWaitMs)
}

function judgeBackoff(
  history: History,
  { id }: Message,
  attempts: readonly Attempt[],
  at: number,
  findings: Findings,
): void {
  const [previous, next] = [attempts[at - 1], attempts[at]]
  if (previous?.how !== 'retry' || next === undefined || next.number !== previous.number + 1) return
  const waits = previous.group.rules?.backoff_ms ?? []
  const leastMs = waits[previous.number - 1] ?? waits.at(-1) ?? 0
  const waitedMs = next.startedAt - previous.settledAt
  // A fault may have eaten the failure, and then it came back as something that was never settled.
  if (waitedMs >= leastMs - TIMER_GRAIN_MS || isDisturbed(history, previous, next)) return
  const places = [endOf(previous, previous.settleLine), next]
  const text = `group ${next.group.name}: attempt ${next.number} came after ${waitedMs.toFixed(1)} ms, not ${leastMs} ms`
  findings.add('backoff too short', [id], places, text)
}

function judgeDeath(
  history: History,
  message: Message,
  group: Group,
  attempts: readonly Attempt[],
  findings: Findings,
): void {
  const { id } = message
  const limit = group.rules?.attempts ?? Number.POSITIVE_INFINITY
  const letters = message.dead.filter((each) => each.group === group)
  const failed = attempts.findLast(({ how, final, number }) => {
    const isFailure = how === 'retry' || how === 'dead'
    return isFailure && (final || number >= limit)
  })
  const isDone = attempts.some(({ how }) => how === 'done')
  if (letters.length > 1) findings.add('dead twice', [id], letters, `group ${group.name} has two dead letters of it`)
  for (const letter of letters.slice(0, 1)) {
    const wrong = failed === undefined ? undeserved(history, message, attempts, letter.attempts, limit) : undefined
    if (wrong !== undefined)
      findings.add('dead too early', [id], [letter, ...attempts], `group ${group.name}: ${wrong}`)
  }
  const hasty = attempts.find(({ how, final, number }) => how === 'dead' && !final && number < limit)
  if (hasty !== undefined) {
    const text = `group ${group.name}: attempt ${hasty.number} of ${limit} was the last`
    findings.add('dead too early', [id], [endOf(hasty, hasty.settleLine)], text)
  }
  if (failed !== undefined && letters.length === 0 && !isDone && history.listsDeadLetters)
    findings.add(
      'no dead letter',
      [id],
      [endOf(failed, failed.settleLine)],
      `group ${group.name} gave it up without one`,
    )
}

/**
 * Why a dead letter is not due although no handler said that it failed for the last time. It may be due nevertheless: the last attempts may
 * have been cut off before they could tell.
 */
function undeserved(
  history: History,
  { publishes }: Message,
  attempts: readonly Attempt[],
  counted: number,
  limit: number,
): string | undefined {
  if (counted < limit) return `its dead letter counts ${counted} of ${limit} attempts`
  const last = attempts.at(-1)
  const isUsedUp = last !== undefined && last.number >= limit
  if (isUsedUp && last.how !== 'done' && last.how !== 'returned') return undefined
  const { faults, endAt } = history
  if (faults.killed.length > 0 || faults.overlap(publishes[0]?.invokedAt ?? 0, endAt)) return undefined
  return `it has a dead letter after attempt ${last?.number ?? 0} (${last?.how ?? 'not started'})`
}
