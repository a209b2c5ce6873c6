/** What the ledger says of a batch of drafts, and what that means for each message. */
import type { PublishOutcome } from '../../../src/adapter.js'
import { BusError } from '../../../src/errors.js'
import type { Draft } from './drafts.js'

/** As the function `append` returns it: runs of stored rows, and what became of the others. */
export interface Answer {
  /** Stream, first and last position, time in ms, whether older rows of its keys wait to be relayed by other processes. */
  readonly runs: readonly (readonly [stream: number, first: number, last: number, timeMs: number, isBehind: boolean])[]
  readonly odd: readonly (readonly [ord: number, what: 'duplicate' | 'conflict' | 'repeated' | 'full', place: number])[]
}

/** A message that the ledger has. */
export interface Stored extends Draft {
  readonly position: number
}

/** Messages of one stream that were stored together, in order. */
export interface Run {
  readonly stream: Draft['stream']
  readonly first: number
  readonly timeMs: number
  /** Other processes have still to relay older rows of its keys, which must not be overtaken. */
  readonly isBehind: boolean
  readonly messages: readonly Stored[]
}

export interface Understood {
  /** One for each draft. */
  readonly outcomes: readonly PublishOutcome[]
  readonly runs: readonly Run[]
}

/** Undelayed drafts that are not odd got the positions of their stream's run in order; delayed ones have none yet. */
export function understand(drafts: readonly Draft[], { runs, odd }: Answer): Understood {
  const oddOf = new Map(odd.map(([ord, what, place]) => [ord, { what, place }]))
  const stored = new Map(runs.map(([stream, first]) => [stream, { next: first, messages: [] as Stored[] }]))
  const outcomes: PublishOutcome[] = []
  drafts.forEach((draft, ord) => {
    const found = oddOf.size === 0 ? undefined : oddOf.get(ord)
    if (found !== undefined) {
      outcomes.push(oddOutcome(draft, found, outcomes))
      return
    }
    const { message, stream } = draft
    const run = stored.get(stream.id)
    const position = run === undefined ? 0 : run.next++
    outcomes.push(accepted(draft, position, false))
    run?.messages.push({ message, stream, position })
  })
  const done = runs.flatMap(([id, first, , timeMs, isBehind]): Run[] => {
    const messages = stored.get(id)?.messages ?? []
    const [head] = messages
    return head === undefined ? [] : [{ stream: head.stream, first, timeMs, isBehind, messages }]
  })
  return { outcomes, runs: done }
}

function oddOutcome(
  draft: Draft,
  { what, place }: { readonly what: Answer['odd'][number][1]; readonly place: number },
  earlier: readonly PublishOutcome[],
): PublishOutcome {
  if (what === 'duplicate') return accepted(draft, place, true)
  if (what === 'conflict') return { status: 'rejected', error: conflict(draft) }
  if (what === 'full') return { status: 'rejected', error: full(draft) }
  const first = earlier[place]
  return first?.status === 'accepted' ? accepted(draft, first.sequence, true) : (first ?? accepted(draft, 0, true))
}

function accepted({ stream }: Draft, sequence: number, duplicate: boolean): PublishOutcome {
  return { status: 'accepted', stream: stream.definition.name, sequence, duplicate }
}

function conflict({ message, stream }: Draft): BusError {
  return new BusError(
    'BUS_ID_CONFLICT',
    `[dual] publish to ${message.subject}: id "${message.id}" was used in stream ${stream.definition.name} for another subject or payload. Use a new id`,
  )
}

function full({ message, stream }: Draft): BusError {
  const { name, maxMessages, maxBytes } = stream.definition
  return new BusError(
    'BUS_UNAVAILABLE',
    `[dual] publish to ${message.subject}: stream ${name} is full (${maxMessages} messages or ${maxBytes} bytes). Wait until consumers or limits made room, or raise maxMessages or maxBytes`,
  )
}
