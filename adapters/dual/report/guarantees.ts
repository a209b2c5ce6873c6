/** What this backend promises (`guarantees.md`, column "dual"), as data, each line with what was seen that supports it. */
import type { Guarantee } from '../../../src/adapter.js'
import type { ResolvedStream } from '../../../src/topology.js'
import { type LedgerFacts, weaknesses } from './facts.js'

export interface LedgerSettings {
  readonly keepIdsMs: number
  /** Name of the inner backend. */
  readonly inner: string
  /** As declared. */
  readonly streams: readonly ResolvedStream[]
}

const PHANTOMS: Guarantee = {
  topic: 'phantoms',
  promise: 'never; what a transaction that was rolled back published, never',
  observed: 'the row and the outbox commit together',
}

const HANDLER_DUPLICATES: Guarantee = {
  topic: 'handler-duplicates',
  promise: 'a handler may start twice; what it writes through ctx.tx commits once for each consumer and id',
  observed: 'the inbox row commits with the writes',
}

const DEAD_LETTER: Guarantee = {
  topic: 'dead-letter',
  promise: 'exactly one: stored and settled in one transaction',
  observed: 'one statement does both',
}

const SHUTDOWN: Guarantee = {
  topic: 'shutdown',
  promise:
    'no new starts; running handlers awaited; the unstarted handed back, costing no attempt; what waits to be relayed is left to others',
  observed: 'the outbox outlives the process',
}

/** @param facts undefined while the server cannot be asked */
export function guaranteesOf(facts: LedgerFacts | undefined, settings: LedgerSettings): readonly Guarantee[] {
  const { inner, keepIdsMs } = settings
  return [
    {
      topic: 'accepted',
      promise: 'the row in the ledger is committed; the inner backend may be down',
      observed: facts === undefined ? 'unknown' : describe(facts),
    },
    lostOnlyIf(facts, settings),
    {
      topic: 'delivery',
      promise: 'at least once per consumer until settled, whatever happens to any process or to the inner backend',
      observed: `settlements are rows of PostgreSQL; ${inner} is compared with the ledger`,
    },
    PHANTOMS,
    {
      topic: 'publish-dedup',
      promise:
        'the same id is stored once for as long as its row is kept, and after that until it is too old; other content is refused',
      observed: `a unique index; ids are kept for ${keepIdsMs} ms`,
    },
    HANDLER_DUPLICATES,
    {
      topic: 'order',
      promise:
        'per key and consumer, retries included, with order "key": the order of the ledger, also across processes',
      observed: 'positions are given under a lock; keyed messages wait in the outbox behind older ones',
    },
    DEAD_LETTER,
    {
      topic: 'replay',
      promise: 'every row that is retained, also of an inner backend that was rebuilt',
      observed: limitsOf(settings.streams),
    },
    SHUTDOWN,
    {
      topic: 'broker-down',
      promise: `accepted while ${inner} is down, and delivered in order when it is back`,
      observed: 'publishing waits for PostgreSQL alone',
    },
  ]
}

function describe(facts: LedgerFacts): string {
  const { version, fsync, fullPageWrites, synchronousCommit, unlogged } = facts
  const raised = ['off', 'local'].includes(synchronousCommit) ? ' (on for each publish)' : ''
  const tables = unlogged.length === 0 ? 'all tables logged' : `unlogged: ${unlogged.join(', ')}`
  return `PostgreSQL ${version}: fsync ${fsync}, full_page_writes ${fullPageWrites}, synchronous_commit ${synchronousCommit}${raised}, ${tables}`
}

/** Fail-over to a standby that commits do not wait for drops what it had not received (PG-D3). */
function lostOnlyIf(facts: LedgerFacts | undefined, { streams }: LedgerSettings): Guarantee {
  const limits = streams.some(hasLimits) ? ', or a limit of a stream with discard "old" or maxAge is reached' : ''
  const lost = "PostgreSQL's own durable storage is lost"
  if (facts === undefined)
    return {
      topic: 'lost-only-if',
      promise: `${lost}, or a standby takes over that had not received it${limits}`,
      observed: 'unknown',
    }
  const { synchronousStandbyNames: standbys } = facts
  const found = weaknesses(facts)
  const crash = found.length === 0 ? '' : `, or the server stops without notice (${found.join(', ')})`
  const standby = standbys === '' ? ', or a standby takes over that had not received it' : ''
  return {
    topic: 'lost-only-if',
    promise: `${lost}${crash}${standby}${limits}`,
    observed: standbys === '' ? 'no synchronous standbys' : `synchronous_standby_names ${standbys}`,
  }
}

function limitsOf(streams: readonly ResolvedStream[]): string {
  const limited = streams.filter(hasLimits)
  if (limited.length === 0) return 'no limits'
  return limited.map(({ name, discard }) => `${name}: limits, discard ${discard}`).join('; ')
}

function hasLimits({ maxAgeMs, maxBytes, maxMessages }: ResolvedStream): boolean {
  return Math.min(maxAgeMs, maxBytes, maxMessages) < Number.POSITIVE_INFINITY
}
