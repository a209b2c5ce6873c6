/** R7: every publish ends within its time limit, and once all is healed the backlog drains. */
import type { History } from '../history.js'
import type { Publish } from '../records.js'
import { endOf, Findings, type Rule, type RuleSettings, type Ruling } from '../rule.js'

export const liveness: Rule = { code: 'R7', name: 'liveness', judge }

function judge(history: History, { lateMs }: RuleSettings): Ruling {
  const findings = new Findings()
  let checked = 0
  for (const { id, publishes } of history.messages.values())
    for (const publish of publishes) {
      checked++
      const wrong = overdue(history, publish, lateMs)
      if (wrong !== undefined)
        findings.add('pending', [id], [endOf(publish, publish.endLine)], `operation ${publish.op} ${wrong}`)
    }
  const quiesce = history.quiesces.at(-1)
  if (quiesce?.drained === false)
    findings.add('not drained', [], [quiesce], 'the backlog was not drained within the bound')
  for (const { name, left } of history.groups.values()) {
    if (left === undefined) continue
    checked++
    const { pending, in_flight } = left
    if (pending + in_flight > 0)
      findings.add('backlog', [], [left], `group ${name} has ${pending} pending and ${in_flight} in flight`)
  }
  return { checked, findings: findings.list(), notes: [] }
}

/** An operation of a process that was killed may be open, but not if the process went on for longer than the limit before it died. */
function overdue({ faults }: History, publish: Publish, lateMs: number): string | undefined {
  const { source, invokedAt, endedAt, timeoutMs, outcome } = publish
  const deadline = invokedAt + timeoutMs + lateMs
  if (outcome === 'none' && source.closedAt !== undefined) return 'never ended, and its process did'
  const seenUntil = outcome === 'none' ? source.lastAt : endedAt
  // A process that is stopped cannot end anything.
  if (seenUntil <= deadline || faults.held(source.proc, invokedAt, seenUntil)) return undefined
  return `was under way for ${Math.round(seenUntil - invokedAt)} ms; its limit is ${timeoutMs} ms`
}
