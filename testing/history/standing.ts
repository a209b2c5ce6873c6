/** What became of an id and of each content published under it, in the words of the guarantees: accepted, unknown, rejected. */
import type { Content } from './event.js'
import type { Attempt, Group, Message, Publish } from './records.js'

/** `foreign`: nobody published it. */
export type Standing = 'accepted' | 'unknown' | 'rejected' | 'foreign'

/**
 * Of one content: the best outcome that any of its publishes had. A publish that was rejected and then repeated with success is accepted; one
 * that is unknown stays unknown although a repeat was rejected, since the rejection speaks of the repeat alone.
 */
export function standingOf({ publishes }: Message, content: Content): Standing {
  let standing: Standing = 'foreign'
  for (const publish of publishes) {
    if (publish.content !== content) continue
    if (publish.outcome === 'ok') return 'accepted'
    if (publish.outcome !== 'fail') standing = 'unknown'
    else if (standing === 'foreign') standing = 'rejected'
  }
  return standing
}

/** The publish that was accepted first; undefined when none was. */
export function acceptedFirst({ publishes }: Message): Publish | undefined {
  return publishes
    .filter(({ outcome }) => outcome === 'ok')
    .reduce<Publish | undefined>((first, each) => (first && first.endedAt <= each.endedAt ? first : each), undefined)
}

/** Publishes that may have stored something. */
export function mayBeStored({ publishes }: Message): Publish[] {
  return publishes.filter(({ outcome }) => outcome !== 'fail')
}

/** Whether a group is told to take a message of this content. */
export function takes(group: Group, content: Content): boolean {
  return group.rules !== undefined && content.topic.startsWith(group.rules.prefix ?? '')
}

/** In the order of their starts. */
export function attemptsOf(message: Message, group: Group): readonly Attempt[] {
  return message.attempts.filter((attempt) => attempt.group === group)
}
