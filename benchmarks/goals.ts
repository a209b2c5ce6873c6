/**
 * The ratios that busbar has promised itself, each between two contenders of one run. Whether a goal is reached is for the run to say.
 */
export interface Goal {
  readonly contender: string
  readonly to: string
  /** The rate of `contender` is at least this many times that of `to`. */
  readonly atLeast: number
  readonly why: string
}

export const goals: readonly Goal[] = [
  { contender: 'memory', to: 'bound', atLeast: 0.6, why: 'B5, first goal' },
  { contender: 'memory-keyed', to: 'memory', atLeast: 0.7, why: 'B10: order by key' },
  { contender: 'subject-index', to: 'trie-cache', atLeast: 0.5, why: 'B6: wildcard subscriptions' },
  { contender: 'backlog-1m', to: 'backlog-10k', atLeast: 0.85, why: 'B9: a backlog a hundred times as large' },
]
