/**
 * Whether a group is done with a message, and how that is known. What is assumed of the recorder: a line is in its file before the handler goes
 * on, so a killed process lacks only what it had not come to. Hence a message without a start was not handed to a handler, whatever the bus
 * says of it; and a handler's end that is not written did not happen, except where the table of effects knows better.
 */
import type { History } from './history.js'
import type { Attempt, Group, Message } from './records.js'
import { attemptsOf } from './standing.js'

export interface Settlement {
  /** Not before this moment, ms; where the end is not written, the start of the attempt. */
  readonly notBefore: number
  /**
   * `handler`: it returned. `commit`: its effect is in the table, which on a transactional group is the settlement itself. `dead letter`: it
   * is there. `presumed`: see `presume`.
   */
  readonly by: 'handler' | 'commit' | 'dead letter' | 'presumed'
}

export function settlementOf(history: History, message: Message, group: Group): Settlement | undefined {
  const attempts = attemptsOf(message, group)
  const dead = message.dead.find((each) => each.group === group)
  if (dead !== undefined)
    return { notBefore: givenUpAt(history, group, earliest(attempts, ['dead']) ?? attempts.at(-1)), by: 'dead letter' }
  // Its word alone is not enough: the transaction that it ran in may have failed after it returned.
  if (group.hasEffects) return committed(message, group, attempts)
  const told = earliest(attempts, history.listsDeadLetters ? ['done'] : ['done', 'dead'])
  if (told !== undefined) return { notBefore: told.settledAt, by: 'handler' }
  return presume(history, group, attempts)
}

/**
 * When the last attempt that a message may have is not heard of, because its process stands still, whoever is handed the message after the
 * ack wait gives it up and starts nothing: it was over from then on, whatever the handler goes on to do.
 */
function givenUpAt(history: History, { rules }: Group, attempt: Attempt | undefined): number {
  const end = endOf(attempt)
  if (attempt === undefined || rules === undefined || attempt.number < rules.attempts) return end
  const unheard = attempt.startedAt + rules.ack_wait_ms
  return unheard < end && history.faults.held(attempt.source.proc, attempt.startedAt, unheard) ? unheard : end
}

function committed(message: Message, group: Group, attempts: readonly Attempt[]): Settlement | undefined {
  const effect = message.effects.find((each) => each.group === group)
  if (effect === undefined) return undefined
  const of = attempts.filter(({ number }) => number === effect.attempt)
  return { notBefore: endOf(earliest(of, ['done']) ?? of[0]), by: 'commit' }
}

/**
 * A handler whose effect was written and whose end was not, because its process was killed in between. Nothing of it is missing, and when the
 * group has nothing left the bus takes it for settled. The report counts these. Without an effect nothing is presumed.
 */
function presume(history: History, group: Group, attempts: readonly Attempt[]): Settlement | undefined {
  const { left } = group
  if (left === undefined || left.pending > 0 || left.in_flight > 0) return undefined
  const cut = attempts.find(({ effects, how, source }) => effects > 0 && how === undefined && isKilled(history, source))
  return cut === undefined ? undefined : { notBefore: cut.startedAt, by: 'presumed' }
}

function isKilled(history: History, source: Attempt['source']): boolean {
  return history.faults.killed.includes(source)
}

function earliest(attempts: readonly Attempt[], ends: readonly Attempt['how'][]): Attempt | undefined {
  return attempts
    .filter(({ how }) => ends.includes(how))
    .reduce<Attempt | undefined>(
      (first, each) => (first && first.settledAt <= each.settledAt ? first : each),
      undefined,
    )
}

function endOf(attempt: Attempt | undefined): number {
  if (attempt === undefined) return 0
  return attempt.how === undefined ? attempt.startedAt : attempt.settledAt
}
