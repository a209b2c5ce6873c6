/**
 * What a history is made of: one JSON object a line, written by the processes of a test run, read by the checker. The format is a contract of
 * its own: whoever writes it needs no busbar, and the checker imports nothing of the bus.
 */

/** The version of the format. A reader refuses others. */
export const HISTORY_VERSION = 1

/** What each line has besides its event. */
export interface Stamp {
  readonly v: typeof HISTORY_VERSION
  /** The run that it belongs to. */
  readonly run: string
  /** The role of the process: `p1`, `w2`, `control`. One file per process that ever lived: a restarted one has another `pid`. */
  readonly proc: string
  readonly pid: number
  /** Counts up within the process, from 1: a gap means that the history is incomplete. */
  readonly n: number
  /** Monotonic nanoseconds, decimal, of one machine and one boot: comparable across its processes. */
  readonly mono_ns: string
  /** ISO 8601, for people; no rule reads it, since clocks are among the faults. */
  readonly wall: string
}

/** What a message is, computed by the harness and never by the bus. Hashes are hexadecimal. */
export interface Content {
  readonly topic: string
  readonly key?: string
  /** Of the payload's bytes. */
  readonly hash: string
  /** Of the headers that the harness gave, in order of name. */
  readonly hdr_hash: string
}

/**
 * A publish ends in exactly one of ok, fail (definitely not stored) and unknown. An invoke without an end, because its process died, counts as
 * unknown. Written before the call and synced; the end is written after it. Each attempt of the caller's is an operation of its own.
 */
export type PublishEvent =
  | ({
      readonly ev: 'pub.invoke'
      /** Unique within the process. */
      readonly op: string
      readonly id: string
      readonly bytes: number
      /** After which the call may not be pending, milliseconds. */
      readonly timeout_ms: number
      /** Within a transaction: an end `ok` means that it is committed, `fail` that it is rolled back. */
      readonly tx?: boolean
    } & Content)
  /** `duplicate`: it had been stored before. */
  | { readonly ev: 'pub.ok'; readonly op: string; readonly seq?: number; readonly duplicate?: boolean }
  | { readonly ev: 'pub.fail'; readonly op: string; readonly code: string }
  | { readonly ev: 'pub.unknown'; readonly op: string; readonly code: string }

/** Of one attempt of a group (a durable consumer) at one message. `lane`: what handles one after the other, where the worker tells. */
export type HandlerEvent =
  | ({
      readonly ev: 'h.start'
      readonly group: string
      readonly id: string
      readonly attempt: number
      readonly lane?: string
      readonly seq?: number
    } & Content)
  /** What it wrote is committed. */
  | { readonly ev: 'h.effect'; readonly group: string; readonly id: string; readonly attempt: number }
  /** How it ended, as the handler sees it: `retry` and `dead` when it threw, `returned` when its worker gave it back. */
  | {
      readonly ev: 'h.settle'
      readonly group: string
      readonly id: string
      readonly attempt: number
      readonly how: 'done' | 'retry' | 'dead' | 'returned'
      /** It threw what no retry can mend: the message is dead whatever the attempt. */
      readonly final?: boolean
    }
  | { readonly ev: 'h.settle.unknown'; readonly group: string; readonly id: string; readonly attempt: number }

/** What a group was told to do. */
export interface GroupRules {
  readonly group: string
  readonly order: 'key' | 'none'
  readonly attempts: number
  /** Shortest waits before the attempts from the second on, jitter taken off; the last one holds for all that follow. Milliseconds. */
  readonly backoff_ms: readonly number[]
  /** Its effects are committed together with the inbox row. */
  readonly transactional: boolean
  readonly ack_wait_ms: number
  /** An attempt that has lasted so long has failed, whether its handler ended or not. No limit when left out. */
  readonly timeout_ms?: number
  /** What it takes: topics that begin so. All when left out. */
  readonly prefix?: string
}

export type ControlEvent =
  | {
      readonly ev: 'config'
      readonly adapter: string
      readonly groups: readonly GroupRules[]
      readonly dedup_window_ms: number
      readonly versions: Readonly<Record<string, string>>
      readonly settings?: Readonly<Record<string, unknown>>
    }
  /** `id` pairs it with its end. A process that is killed for good has no end. */
  | {
      readonly ev: 'fault.begin'
      readonly id: string
      readonly kind: string
      readonly target: string
      readonly args?: unknown
    }
  | { readonly ev: 'fault.end'; readonly id: string }
  /** All faults are lifted. */
  | { readonly ev: 'heal' }
  /** The backlog is drained, or the bound has passed. */
  | { readonly ev: 'quiesce'; readonly drained: boolean; readonly bound_ms: number }

/** What is there in the end, read from the servers without the bus. */
export type StateEvent =
  /** A message of a store, in the order of its positions. `again`: it may have been sent there a second time, by a repair. */
  | ({
      readonly ev: 'state.message'
      readonly store: 'ledger' | 'stream'
      readonly seq: number
      readonly id: string
      readonly again?: boolean
    } & Content)
  /** The list above is complete; a further list of the store is a later look at it. A store that is not listed is not judged. */
  | { readonly ev: 'state.store'; readonly store: 'ledger' | 'stream'; readonly messages: number }
  /** A committed effect in the table of effects. */
  | {
      readonly ev: 'state.effect'
      readonly group: string
      readonly id: string
      readonly attempt: number
      readonly owner: string
    }
  | { readonly ev: 'state.dead'; readonly group: string; readonly id: string; readonly attempts: number }
  /** What a group has left, and what is out with nobody. */
  | { readonly ev: 'state.group'; readonly group: string; readonly pending: number; readonly in_flight: number }
  /** A replay of everything, in the order that it came. */
  | { readonly ev: 'state.replay'; readonly reader: string; readonly ids: readonly string[] }
  /** A row that may not be there, such as an outbox row that nobody will take. */
  | { readonly ev: 'state.orphan'; readonly what: string }
  /** What a process still held after `close()`: names of `process.getActiveResourcesInfo()`, those from before the bus taken off. */
  | {
      readonly ev: 'state.process'
      readonly proc: string
      readonly left: readonly string[]
      readonly rss_bytes: number
      readonly rss_limit_bytes: number
    }

/** The last line of a process that ended in order: what is not in its file did not happen in it. One that was killed has none. */
export interface CloseEvent {
  readonly ev: 'close'
}

export type HistoryEvent = PublishEvent | HandlerEvent | ControlEvent | StateEvent | CloseEvent

/** A line of a history. */
export type Line = Stamp & HistoryEvent
