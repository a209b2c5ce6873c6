/** What the controller of a run and its client processes say to each other: a setting at the start, then one JSON object a line. */
import type { GroupRules } from '../../../testing/history/event.js'

export const STREAM = 'orders'
export const SUBJECTS = ['orders.>']
/** Begins the subjects of messages that harm their handlers. */
export const POISONED = 'orders.poison.'
/** Where effects of handlers are written on a database, in a schema of their own. */
export const EFFECTS = 'effects'

export interface Backend {
  readonly adapter: 'memory' | 'nats' | 'dual'
  /** The links to the nodes, not the nodes themselves. Empty without NATS. */
  readonly servers: readonly string[]
  /** The link to PostgreSQL. */
  readonly connection?: string
  readonly schema?: string
  /** Of what a dead process holds, ms. */
  readonly leaseMs?: number
  readonly replicas?: number
  /** A declaration for servers that tell nothing about their disk. */
  readonly syncAlways?: boolean
  readonly pooler?: boolean
  /** One of `broken/`: the adapter breaks a promise on purpose, so that the checker can be seen to notice. */
  readonly broken?: string
}

export interface ClientSetting {
  readonly run: string
  readonly proc: string
  readonly folder: string
  readonly backend: Backend
  /** Those that it works for; empty for a mere producer. */
  readonly groups: readonly GroupRules[]
  /** Fixes sizes and keys, not times. */
  readonly seed: number
  readonly concurrency: number
}

export type Command =
  /** Publishes that many messages a second until told otherwise. */
  | { readonly do: 'produce'; readonly perSecond: number }
  /** Publishes nothing more, and tells `hushed` when every publish has ended. */
  | { readonly do: 'hush' }
  /** Every handler waits that long from now on. */
  | { readonly do: 'dawdle'; readonly ms: number }
  /** Blocks the event loop. */
  | { readonly do: 'block'; readonly ms: number }
  /** Reads the whole stream through the bus, and writes the ids in their order. */
  | { readonly do: 'replay' }
  | { readonly do: 'inspect' }
  /** From now on its wall clock is that far ahead, or behind. */
  | { readonly do: 'set clock'; readonly aheadMs: number }
  /** Sends again what the inner backend lacks, as `busbar repair` does. */
  | { readonly do: 'repair' }
  /** Publishes one message that does that to its handler, and harmless ones behind it. */
  | { readonly do: 'poison'; readonly how: Poison }
  /** Closes the bus, writes what is left behind, and exits. */
  | { readonly do: 'stop'; readonly withinMs: number }

/** Kills its process, or never ends. */
export type Poison = 'kills' | 'hangs'

export type Said =
  | { readonly say: 'ready' | 'hushed' | 'replayed' | 'stopped' }
  /** Now and then, and before it stops. */
  | { readonly say: 'count'; readonly accepted: number; readonly handled: number }
  | { readonly say: 'inspected'; readonly groups: readonly GroupLag[] }
  /** `how`: what it sent again, or the code of the error. */
  | { readonly say: 'repaired'; readonly how: string }
  | { readonly say: 'failed'; readonly text: string }

export interface GroupLag {
  readonly group: string
  readonly pending: number
  readonly inFlight: number
}
