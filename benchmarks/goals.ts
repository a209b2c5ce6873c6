/**
 * What busbar has promised itself: ratios between two contenders of one run, and limits. Whether a goal is reached is for the run to say.
 */
export type Goal = RateGoal | LatencyGoal | MemoryGoal

export interface RateGoal {
  readonly contender: string
  readonly to: string
  /** The rate of `contender` is at least this many times that of `to`. */
  readonly atLeast: number
  readonly why: string
}

export interface LatencyGoal {
  readonly contender: string
  /** None: the limit is in ms. */
  readonly to?: string
  /** The 95th percentile of `contender` is at most this many times that of `to`. */
  readonly p95AtMost: number
  readonly why: string
}

export interface MemoryGoal {
  readonly contender: string
  readonly to: string
  /** A process that does nothing else needs at most this many times the resident memory. */
  readonly residentAtMost: number
  readonly why: string
}

/** Grown work may cost at most 15 % of the rate. */
const GROWN = 0.85
/** What the collector keeps in reserve varies; a backlog that is held would be many times as much. */
const NOT_HELD = 1.5

export const goals: readonly Goal[] = [
  { contender: 'memory', to: 'bound', atLeast: 0.6, why: 'B5, first goal of 0.8' },
  { contender: 'memory', to: 'rxjs-nest', atLeast: 4, why: 'B5: a dispatch like that of NestJS' },
  { contender: 'memory-keyed', to: 'memory', atLeast: 0.7, why: 'B10: order by key' },
  { contender: 'subject-index', to: 'trie-cache', atLeast: 0.5, why: 'B6: wildcard subscriptions' },
  { contender: 'backlog-1m', to: 'backlog-10k', atLeast: GROWN, why: 'B9: a backlog a hundred times as large' },
  {
    contender: 'nats-backlog-1m',
    to: 'nats-backlog-10k',
    atLeast: GROWN,
    why: 'B9: a backlog a hundred times as large',
  },
  { contender: 'nats-backlog-1m', to: 'nats-backlog-10k', residentAtMost: NOT_HELD, why: 'B9: its memory' },
  {
    contender: 'dual-backlog-1m',
    to: 'dual-backlog-10k',
    atLeast: GROWN,
    why: 'B9: a backlog a hundred times as large',
  },
  { contender: 'dual-backlog-1m', to: 'dual-backlog-10k', residentAtMost: NOT_HELD, why: 'B9: its memory' },
  { contender: 'memory-subjects-10000', to: 'memory', atLeast: GROWN, why: 'B9: 10,000 subjects' },
  { contender: 'nats-subjects-10000', to: 'nats-flow', atLeast: GROWN, why: 'B9: 10,000 subjects' },
  { contender: 'dual-subjects-10000', to: 'dual-flow', atLeast: GROWN, why: 'B9: 10,000 subjects' },
  { contender: 'nats-flow-keys-1000', to: 'nats-flow-keys-1', atLeast: GROWN, why: 'B9: 1,000 keys instead of one' },
  { contender: 'dual-flow-keys-1000', to: 'dual-flow-keys-1', atLeast: GROWN, why: 'B9: 1,000 keys instead of one' },
  { contender: 'nats-flow-keys-1000', to: 'nats-flow', atLeast: 0.7, why: 'B10: order by key' },
  { contender: 'dual-flow-keys-1000', to: 'dual-flow', atLeast: 0.7, why: 'B10: order by key' },
  { contender: 'nats-publish', to: 'nats-publish-official', atLeast: 4, why: 'B1: publish, 256 in flight' },
  { contender: 'nats-publish', to: 'nats-publish-bare', atLeast: 0.85, why: 'B1: publish, 256 in flight' },
  { contender: 'nats-single', to: 'nats-single-official', atLeast: 1.3, why: 'B2: publish, one at a time' },
  { contender: 'nats-consume', to: 'nats-consume-official', atLeast: 2, why: 'B3: consume' },
  { contender: 'nats-consume', to: 'nats-consume-bare', atLeast: 0.8, why: 'B3: consume' },
  { contender: 'nats-consume-448', to: 'nats-consume-official', atLeast: 2, why: 'B3: consume, prefetch 448' },
  { contender: 'nats-consume-448', to: 'nats-consume-bare', atLeast: 0.8, why: 'B3: consume, prefetch 448' },
  { contender: 'nats-latency-10000', to: 'nats-latency-10000-official', p95AtMost: 0.1, why: 'B4: p95' },
  { contender: 'nats-latency-1000', to: 'nats-latency-1000-official', p95AtMost: 1, why: 'B4: p95' },
  { contender: 'nats-latency-1000', p95AtMost: 1, why: 'B4: p95 in ms' },
  { contender: 'nats-always-64', to: 'nats-always-64-official', atLeast: 2.2, why: 'B11: sync always' },
  { contender: 'nats-always-256', to: 'nats-always-256-official', atLeast: 6, why: 'B11: sync always' },
  { contender: 'nats-always-1024', to: 'nats-always-1024-official', atLeast: 9, why: 'B11: sync always' },
  { contender: 'nats-flow', to: 'nats-flow-official', atLeast: 3.5, why: 'B12: publish to handled' },
  { contender: 'dual-publish', to: 'dual-publish-group', atLeast: 0.8, why: 'B7: accepted, 1024 callers' },
  { contender: 'dual-publish', to: 'dual-publish-naive', atLeast: 8, why: 'B7: accepted, 1024 callers' },
  { contender: 'dual-publish', to: 'bullmq', atLeast: 1, why: 'B7: accepted, 1024 callers' },
  { contender: 'dual-publish', to: 'pg-boss', atLeast: 1, why: 'B7: accepted, 1024 callers' },
  { contender: 'dual-flow', to: 'graphile-worker', atLeast: 1, why: 'B8: publish to settled' },
]
