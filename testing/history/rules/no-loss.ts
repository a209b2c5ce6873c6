/** R1: what was accepted is settled by every group that takes it. Whether in time is rule R7's, whether once is R3's. */
import type { History } from '../history.js'
import type { Group, Message, Publish } from '../records.js'
import { endOf, Findings, type Rule, type Ruling } from '../rule.js'
import { settlementOf } from '../settlement.js'
import { acceptedFirst, attemptsOf, takes } from '../standing.js'

interface Accepted {
  readonly message: Message
  readonly publish: Publish
}

export const noLoss: Rule = { code: 'R1', name: 'no loss', judge }

function judge(history: History): Ruling {
  const accepted = inOrder(history)
  const findings = new Findings()
  const notes: string[] = []
  let checked = 0
  for (const group of history.groups.values()) {
    const required = accepted.filter(({ publish }) => takes(group, publish.content))
    checked += required.length
    notes.push(...judgeGroup(history, group, required, findings))
  }
  const untaken = accepted.filter(
    ({ publish }) => ![...history.groups.values()].some((group) => takes(group, publish.content)),
  )
  const isListed = history.looksAt('ledger') + history.looksAt('stream') > 0
  if (isListed) {
    checked += untaken.length
    for (const each of untaken.filter(({ message }) => message.stored.length === 0))
      findings.add('not stored', [each.message.id], [acceptance(each)], 'no group takes it, and no store has it')
  }
  const skipped =
    untaken.length > 0 && !isListed ? `no group takes ${untaken.length} and no store is listed` : undefined
  return { checked, findings: findings.list(), notes, skipped }
}

function inOrder(history: History): Accepted[] {
  const accepted: Accepted[] = []
  for (const message of history.messages.values()) {
    const publish = acceptedFirst(message)
    if (publish !== undefined) accepted.push({ message, publish })
  }
  return accepted.sort((a, b) => a.publish.endedAt - b.publish.endedAt)
}

function judgeGroup(history: History, group: Group, required: readonly Accepted[], findings: Findings): string[] {
  const missing: number[] = []
  let presumed = 0
  for (const [at, { message }] of required.entries()) {
    const settlement = settlementOf(history, message, group)
    if (settlement === undefined) missing.push(at)
    else if (settlement.by === 'presumed') presumed++
  }
  const notes =
    presumed === 0 ? [] : [`${group.name}: ${presumed} presumed settled, killed after the effect was written`]
  if (missing.length === 0) return notes
  // What the group still has is late, and that is R7's; here it counts as well, since nobody knows which of them it has.
  const left = group.left === undefined ? 0 : group.left.pending + group.left.in_flight
  const where = positions(missing, required.length)
  for (const at of missing) {
    const each = required[at]
    if (each !== undefined) findings.add(...describe(group, each, missing.length <= left))
  }
  return [
    ...notes,
    `${group.name}: ${missing.length} of ${required.length} not settled (${where}); it has ${left} left`,
  ]
}

function describe(group: Group, each: Accepted, isLate: boolean): Parameters<Findings['add']> {
  const { message } = each
  const attempts = attemptsOf(message, group)
  const lines = attempts.map((attempt) => endOf(attempt, attempt.settleLine))
  const kind = isLate ? 'not settled yet' : attempts.length === 0 ? 'never delivered' : 'never settled'
  return [kind, [message.id], [acceptance(each), ...lines], `accepted, and group ${group.name} is not done with it`]
}

function acceptance({ publish }: Accepted) {
  return endOf(publish, publish.endLine)
}

/** Where in the accepted order the missing ones lie: a lost tail, a lost beginning and a hole have different causes. */
export function positions(missing: readonly number[], total: number): string {
  let prefix = 0
  while (missing[prefix] === prefix) prefix++
  let postfix = 0
  while (postfix < missing.length - prefix && missing.at(-1 - postfix) === total - 1 - postfix) postfix++
  return `prefix ${prefix}, middle ${missing.length - prefix - postfix}, postfix ${postfix}`
}
