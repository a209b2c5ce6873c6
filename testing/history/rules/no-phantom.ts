/** R2: what is handed out was published, and is what was published. Rejected messages in a store are rule R9's. */
import type { History } from '../history.js'
import type { Attempt, Message, Stored } from '../records.js'
import { Findings, type Rule, type Ruling } from '../rule.js'
import { mayBeStored, standingOf, takes } from '../standing.js'

export const noPhantom: Rule = { code: 'R2', name: 'no phantom', judge }

function judge(history: History): Ruling {
  const findings = new Findings()
  let checked = 0
  for (const message of history.messages.values()) {
    checked += message.attempts.length + message.stored.length
    for (const attempt of message.attempts) judgeAttempt(message, attempt, findings)
    for (const stored of message.stored) judgeContent(message, stored, findings)
    if (mayBeStored(message).length > 0) continue
    const kind = message.publishes.length > 0 ? 'rejected' : 'never published'
    for (const row of [...message.effects, ...message.dead])
      findings.add(kind, [message.id], [...message.publishes, row], `group ${row.group.name} has handled it`)
  }
  for (const replay of history.replays) {
    checked += replay.ids.length
    const foreign = replay.ids.filter((id) => (history.messages.get(id)?.publishes.length ?? 0) === 0)
    for (const id of foreign) findings.add('never published', [id], [replay], `reader ${replay.reader} was given it`)
  }
  return { checked, findings: findings.list(), notes: [] }
}

function judgeAttempt(message: Message, attempt: Attempt, findings: Findings): void {
  const { content, group, startedAt } = attempt
  judgeContent(message, attempt, findings)
  if (group.rules !== undefined && !takes(group, content))
    findings.add('of another group', [message.id], [attempt], `group ${group.name} does not take ${content.topic}`)
  const published = message.publishes.filter((publish) => publish.content === content)
  if (published.length === 0) return
  const [first] = published
  // An earlier rejection does not excuse it: what was rejected may not be there, although a later repeat is accepted.
  if (published.every(({ outcome }) => outcome === 'fail'))
    findings.add('rejected', [message.id], [attempt, ...published], `group ${group.name} was given what was rejected`)
  else if (first && published.every(({ outcome, invokedAt }) => outcome === 'fail' || invokedAt > startedAt))
    findings.add(
      'too early',
      [message.id],
      [attempt, first],
      `group ${group.name} was given it before it was published`,
    )
}

/** The parts of a message that nobody published so. */
function judgeContent(message: Message, found: Attempt | Stored, findings: Findings): void {
  const { id, publishes } = message
  if (standingOf(message, found.content) !== 'foreign') return
  const [first] = publishes
  if (first === undefined) return findings.add('never published', [id], [found], 'nobody published this id')
  const { content } = found
  const parts = (['topic', 'key', 'hash', 'hdr_hash'] as const).filter((part) => content[part] !== first.content[part])
  findings.add('altered', [id], [first, found], `differs from what was published in ${parts.join(', ')}`)
}
