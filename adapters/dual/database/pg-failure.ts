/** What went wrong at PostgreSQL: whether a statement may have had an effect all the same, and how a person is told. */
import { BusError, type BusErrorCode, describeThrown } from '../../../src/errors.js'

/** Before it was sent, by the server's word, or in doubt: the answer never came (PG-U1, PG-U6). Only the last may have had an effect. */
export type Effect = 'not-sent' | 'refused' | 'unknown'

export class QueryFailure extends Error {
  override readonly name = 'QueryFailure'
  readonly effect: Effect
  /** SQLSTATE, or the code of a network error; `''` when there is none. */
  readonly code: string

  constructor(effect: Effect, thrown: unknown) {
    super(describeThrown(thrown), { cause: thrown })
    this.effect = effect
    this.code = codeOf(thrown)
  }
}

interface Meaning {
  readonly code: BusErrorCode
  readonly remedy: string
  readonly retryable?: boolean
}

const UNAVAILABLE: Meaning = { code: 'BUS_UNAVAILABLE', remedy: 'Try again later' }

/** By SQLSTATE or network error; the longest beginning that is listed counts. */
const MEANINGS: ReadonlyMap<string, Meaning> = new Map([
  ['28', { code: 'BUS_AUTH', remedy: 'Check user and password' }],
  ['42501', { code: 'BUS_AUTH', remedy: 'Grant the role what docs/postgresql.md lists' }],
  ['3D000', { code: 'BUS_CONFIG', remedy: 'Create the database, or name another one' }],
  ['3F000', { code: 'BUS_CONFIG', remedy: 'Run: busbar migrate' }],
  ['42P01', { code: 'BUS_CONFIG', remedy: 'Run: busbar migrate' }],
  ['42883', { code: 'BUS_CONFIG', remedy: 'Run: busbar migrate' }],
  ['25006', { code: 'BUS_UNAVAILABLE', remedy: 'The server is read-only; connect to the primary' }],
  ['53100', { code: 'BUS_UNAVAILABLE', remedy: "Make room on the server's disk" }],
  ['53300', { code: 'BUS_UNAVAILABLE', remedy: 'Raise max_connections, or use fewer connections' }],
  ['55P03', { code: 'BUS_UNAVAILABLE', remedy: 'A transaction that published holds the stream; end it' }],
  ['57014', { code: 'BUS_TIMEOUT', remedy: 'Look for what blocks or slows the server' }],
  ['22', { code: 'BUS_INVALID_MESSAGE', remedy: 'The server cannot store it as it is' }],
])

function codeOf(thrown: unknown): string {
  const code: unknown = typeof thrown === 'object' && thrown !== null ? Reflect.get(thrown, 'code') : undefined
  return typeof code === 'string' ? code : ''
}

/** The server itself said that it did not: an ERROR ends the statement's transaction. A FATAL ends the connection, whatever became of it. */
export function isRefusal(thrown: unknown): boolean {
  return typeof thrown === 'object' && thrown !== null && Reflect.get(thrown, 'severity') === 'ERROR'
}

export function isUnknown(thrown: unknown): boolean {
  return thrown instanceof QueryFailure && thrown.effect === 'unknown'
}

/** @param what such as `publish to orders.42` */
export function ledgerError(what: string, thrown: unknown): BusError {
  if (thrown instanceof BusError) return thrown
  const code = thrown instanceof QueryFailure ? thrown.code : codeOf(thrown)
  const known = [5, 2].map((length) => MEANINGS.get(code.slice(0, length))).find((meaning) => meaning !== undefined)
  const { code: busCode, remedy } = known ?? UNAVAILABLE
  return new BusError(busCode, `[dual] ${what}: ${describeThrown(causeOf(thrown))}. ${remedy}`, { cause: thrown })
}

function causeOf(thrown: unknown): unknown {
  return thrown instanceof QueryFailure ? thrown.cause : thrown
}
