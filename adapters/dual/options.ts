/** What a ledger needs to be told, with every default written once and every bad value refused before anything is opened. */
import type { Adapter } from '../../src/adapter.js'
import { type Duration, durationMs, invalid, oneOf, wholeNumber } from '../../src/duration.js'
import { BusError } from '../../src/errors.js'

export interface DualOptions {
  /** Where messages go after the ledger has them: `jetstream({ … })`, or `memory()` for a durable bus of one process. */
  readonly inner: Adapter
  /** `postgres://user:password@host:port/database`, or several settings of `pg`. */
  readonly connection: string | Readonly<Record<string, unknown>>
  /** Schema that holds everything; lower-case letters, digits and `_`, at most 48. Default `'busbar'`. */
  readonly schema?: string
  /** `'auto'` (default) brings the schema up to date when the bus connects; `'never'` refuses to start when it is not: run `busbar migrate`. */
  readonly migrate?: 'auto' | 'never'
  /** Connections for handlers that use `ctx.tx`, and for `bus.transaction`. Default 10. */
  readonly transactions?: number
  /** How long ids of messages that are gone stay taken, and what handlers did in a transaction stays known. Default `'7d'`. */
  readonly keepIds?: Duration
  /** Longest time of one statement. Default `'10s'`. */
  readonly statementTimeout?: Duration
  /** Longest wait for a connection to be made. Default `'5s'`. */
  readonly connectTimeout?: Duration
  /** How long a process that died keeps others from relaying what it left. Default `'8s'`, at least 1 s. */
  readonly lease?: Duration
  /** How often the inner backend is compared with the ledger. Default `'10s'`; 0: never. */
  readonly compareEvery?: Duration
  /** What follows from a difference: it is mended (`'auto'`, default), or only told in `health()` (`'report'`). */
  readonly repair?: 'auto' | 'report'
  /** Messages a second at which a lost stream is rebuilt, at most. Default 20,000. */
  readonly repairRate?: number
  /** A pooler in transaction mode, such as pgbouncer, stands before the server: no settings at connect, no LISTEN. Default false. */
  readonly pooler?: boolean
}

export interface ResolvedDual {
  readonly inner: Adapter
  readonly connection: Readonly<Record<string, unknown>>
  readonly schema: string
  readonly migrate: 'auto' | 'never'
  readonly transactions: number
  readonly keepIdsMs: number
  readonly statementTimeoutMs: number
  readonly connectTimeoutMs: number
  readonly leaseMs: number
  readonly compareEveryMs: number
  readonly repair: 'auto' | 'report'
  readonly repairRate: number
  readonly pooler: boolean
}

const SCHEMA = /^[a-z_][a-z0-9_]{0,47}$/

export function resolveDual(options: DualOptions): ResolvedDual {
  if (typeof options?.inner?.publish !== 'function')
    throw invalid('inner', options?.inner, "an adapter, such as jetstream({ … }) from 'busbar/nats'")
  return {
    inner: options.inner,
    connection: resolveConnection(options.connection),
    schema: resolveSchema(options.schema ?? 'busbar'),
    migrate: oneOf('migrate', options.migrate ?? 'auto', ['auto', 'never']),
    transactions: wholeNumber('transactions', options.transactions ?? 10, 1, 1000),
    keepIdsMs: durationMs('keepIds', options.keepIds ?? '7d', { min: 1000 }),
    statementTimeoutMs: durationMs('statementTimeout', options.statementTimeout ?? '10s', { min: 100 }),
    connectTimeoutMs: durationMs('connectTimeout', options.connectTimeout ?? '5s', { min: 100 }),
    leaseMs: durationMs('lease', options.lease ?? '8s', { min: 1000 }),
    compareEveryMs: durationMs('compareEvery', options.compareEvery ?? '10s'),
    repair: oneOf('repair', options.repair ?? 'auto', ['auto', 'report']),
    repairRate: wholeNumber('repairRate', options.repairRate ?? 20_000, 1, 10_000_000),
    pooler: options.pooler ?? false,
  }
}

function resolveSchema(schema: unknown): string {
  if (typeof schema === 'string' && SCHEMA.test(schema) && !schema.startsWith('pg_')) return schema
  throw invalid('schema', schema, 'lower-case letters, digits and "_", at most 48, not beginning with a digit or "pg_"')
}

/** The address is not repeated in the error: it may hold a password. */
function resolveConnection(connection: unknown): Readonly<Record<string, unknown>> {
  if (typeof connection === 'object' && connection !== null) return { ...connection }
  if (typeof connection === 'string' && /^postgres(?:ql)?:\/\/./.test(connection) && URL.canParse(connection))
    return { connectionString: connection }
  throw new BusError(
    'BUS_INVALID_OPTION',
    '[dual] connection must be an address such as postgres://user@host:5432/database, or settings of pg',
  )
}
