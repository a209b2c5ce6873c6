/**
 * What the checker remembers of a history: not its lines but what they tell of together, since a million messages are five million lines.
 * All times are milliseconds of the machine's monotonic clock; `Infinity` for what never came.
 */
import type { Content, GroupRules, HandlerEvent, PublishEvent, StateEvent } from './event.js'
import type { Source } from './source.js'

/** Where a line is. */
export interface Place {
  readonly source: Source
  readonly line: number
}

type Invoke = Extract<PublishEvent, { ev: 'pub.invoke' }>
type End = Exclude<PublishEvent, Invoke>

/** One call of publish. Without an end its outcome is `none`, which counts as unknown. */
export class Publish implements Place {
  readonly op: string
  readonly timeoutMs: number
  outcome: 'ok' | 'fail' | 'unknown' | 'none' = 'none'
  duplicate: boolean | undefined = undefined
  endedAt = Number.POSITIVE_INFINITY
  endLine = 0

  constructor(
    readonly source: Source,
    readonly line: number,
    readonly invokedAt: number,
    readonly content: Content,
    { op, timeout_ms }: Invoke,
  ) {
    this.op = op
    this.timeoutMs = timeout_ms
  }

  end(event: End, at: number, line: number): void {
    this.outcome = event.ev === 'pub.ok' ? 'ok' : event.ev === 'pub.fail' ? 'fail' : 'unknown'
    if (event.ev === 'pub.ok') this.duplicate = event.duplicate
    this.endedAt = at
    this.endLine = line
  }
}

type Settle = Extract<HandlerEvent, { ev: 'h.settle' | 'h.settle.unknown' }>

/** One start of a handler with a message. `how` stays undefined when it did not end, or its process died first. */
export class Attempt implements Place {
  /** Commits of what it wrote; more than 1 only when something is wrong. */
  effects = 0
  how: 'done' | 'retry' | 'dead' | 'returned' | 'unknown' | undefined = undefined
  final = false
  settledAt = Number.POSITIVE_INFINITY
  settleLine = 0

  constructor(
    readonly source: Source,
    readonly line: number,
    readonly startedAt: number,
    readonly content: Content,
    readonly group: Group,
    readonly number: number,
  ) {}

  settle(event: Settle, at: number, line: number): void {
    this.how = event.ev === 'h.settle' ? event.how : 'unknown'
    this.final = event.ev === 'h.settle' && event.final === true
    this.settledAt = at
    this.settleLine = line
  }
}

export type StoreName = 'ledger' | 'stream'

/** A message in a store. `look`: stores may be listed more than once, from 1. */
export interface Stored extends Place {
  readonly store: StoreName
  readonly look: number
  readonly seq: number
  readonly content: Content
  readonly again: boolean
}

/** A row in the table of effects. */
export interface Effect extends Place {
  readonly group: Group
  readonly attempt: number
}

export interface DeadLetter extends Place {
  readonly group: Group
  readonly attempts: number
}

export interface Group {
  readonly name: string
  /** Undefined for a group that the configuration does not name. */
  rules: GroupRules | undefined
  /** What it has left; undefined when nobody looked. */
  left: (Extract<StateEvent, { ev: 'state.group' }> & Place) | undefined
  /** What it wrote is listed: then a message without a row has no committed effect. */
  hasEffects: boolean
}

/** All that a history says of one id. Lists have few items each and are many, so each has exactly the room that it needs: see `appended`. */
export class Message {
  /** Each different content that was met under this id: one, when all is well. */
  contents: readonly Content[] = NONE
  publishes: readonly Publish[] = NONE
  /** By their starts, once the history is sealed. */
  attempts: readonly Attempt[] = NONE
  stored: readonly Stored[] = NONE
  effects: readonly Effect[] = NONE
  dead: readonly DeadLetter[] = NONE

  constructor(readonly id: string) {}
}

const NONE: readonly never[] = []

export function appended<Item>(list: readonly Item[], item: Item): readonly Item[] {
  return list.length === 0 ? [item] : [...list, item]
}

export interface Fault extends Place {
  readonly id: string
  readonly kind: string
  readonly target: string
  readonly beganAt: number
  /** `Infinity` for a process that was killed for good. */
  endedAt: number
}

export interface Replay extends Place {
  readonly reader: string
  readonly ids: readonly string[]
}

export interface Moment extends Place {
  readonly at: number
}
