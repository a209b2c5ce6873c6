/** R9: what was rejected is in no store and in no replay, at no time. That no handler gets it is rule R2's. */
import type { History } from '../history.js'
import type { Message } from '../records.js'
import { endOf, Findings, type Rule, type Ruling } from '../rule.js'
import { standingOf } from '../standing.js'

export const truthfulErrors: Rule = { code: 'R9', name: 'truthful errors', judge }

function judge(history: History): Ruling {
  const findings = new Findings()
  let checked = 0
  for (const message of history.messages.values()) {
    const rejected = message.contents.filter((content) => standingOf(message, content) === 'rejected')
    checked += rejected.length
    // Every list of a store counts, not only the last: it was to be absent for ever.
    for (const stored of message.stored.filter(({ content }) => rejected.includes(content))) {
      const answers = message.publishes.filter(({ content }) => content === stored.content)
      const places = [...answers.map((each) => endOf(each, each.endLine)), stored]
      findings.add('stored', [message.id], places, `the ${stored.store} has what was rejected`)
    }
  }
  for (const replay of history.replays)
    for (const id of replay.ids) {
      const message = history.messages.get(id)
      if (message !== undefined && isRejected(message))
        findings.add('replayed', [id], [replay], `reader ${replay.reader} was given what was rejected`)
    }
  const isListed = history.looksAt('ledger') + history.looksAt('stream') + history.replays.length > 0
  return { checked, findings: findings.list(), notes: [], skipped: isListed ? undefined : 'no store is listed' }
}

function isRejected({ publishes }: Message): boolean {
  return publishes.length > 0 && publishes.every(({ outcome }) => outcome === 'fail')
}
