/**
 * R3: an effect commits once, attempts stay within their number, and a message is handed out again only for a reason. Handlers that start
 * twice because of a fault are allowed and counted.
 */
import { causeOf } from '../cause.js'
import type { History } from '../history.js'
import type { Attempt, Group, Message } from '../records.js'
import { Findings, type Rule, type Ruling } from '../rule.js'
import { attemptsOf } from '../standing.js'

export const duplicates: Rule = { code: 'R3', name: 'duplicates', judge }

function judge(history: History): Ruling {
  const findings = new Findings()
  let checked = 0
  let repeated = 0
  for (const message of history.messages.values()) {
    checked += message.attempts.length
    for (const group of history.groups.values()) {
      const attempts = attemptsOf(message, group)
      judgeStarts(history, message, attempts, findings)
      if (effectsOf(message, group, attempts) <= 1) continue
      if (group.rules?.transactional) findings.add(...twice(message, group, attempts))
      else repeated++
    }
  }
  const notes = repeated === 0 ? [] : [`${repeated} effects were repeated by groups that are not transactional`]
  return { checked, findings: findings.list(), notes }
}

function judgeStarts(history: History, { id }: Message, attempts: readonly Attempt[], findings: Findings): void {
  for (const [at, attempt] of attempts.entries()) {
    const { group, number } = attempt
    const limit = group.rules?.attempts ?? Number.POSITIVE_INFINITY
    if (number > limit) findings.add('too many attempts', [id], [attempt], `group ${group.name} has ${limit} attempts`)
    const previous = attempts[at - 1]
    if (previous !== undefined && causeOf(history, attempts, at) === undefined)
      findings.add('no reason', [id], [previous, attempt], `group ${group.name} was given it again`)
  }
}

/** Commits that are known: as rows, or as the processes saw them. */
function effectsOf({ effects }: Message, group: Group, attempts: readonly Attempt[]): number {
  const rows = effects.filter((each) => each.group === group).length
  const seen = attempts.reduce((sum, attempt) => sum + attempt.effects, 0)
  return Math.max(rows, seen)
}

function twice(message: Message, group: Group, attempts: readonly Attempt[]): Parameters<Findings['add']> {
  const rows = message.effects.filter((each) => each.group === group)
  const places = rows.length > 1 ? rows : attempts.filter(({ effects }) => effects > 0)
  return ['double effect', [message.id], places, `what group ${group.name} wrote is committed more than once`]
}

/** Handler starts that only a fault explains; what failed or was handed back is started again on purpose. */
export function duplicateStarts(history: History): { readonly starts: number; readonly duplicates: number } {
  const counts = { starts: 0, duplicates: 0 }
  for (const message of history.messages.values()) {
    counts.starts += message.attempts.length
    if (message.attempts.length < 2) continue
    for (const group of history.groups.values()) {
      const attempts = attemptsOf(message, group)
      for (let at = 1; at < attempts.length; at++)
        if (!['failed', 'returned', 'timed out'].includes(causeOf(history, attempts, at) ?? '')) counts.duplicates++
    }
  }
  return counts
}
