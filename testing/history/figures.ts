/** What a history measures besides right and wrong: how often, how long. No figure decides a verdict. */

import type { History } from './history.js'
import type { Message, Publish } from './records.js'
import { type Recovery, recoveryOf } from './recovery.js'
import { duplicateStarts } from './rules/duplicates.js'
import { acceptedFirst, standingOf } from './standing.js'

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
