/**
 * What went wrong, in busbar's words: errors of the client and error codes of the server as `BusError`s with a remedy. Nothing is sent
 * or retried here.
 */
import { JetStreamApiError } from '@nats-io/jetstream'
import { errors } from '@nats-io/transport-node'
import { BusError, type BusErrorCode, describeThrown } from '../../src/errors.js'

/** Server error codes that mean something to us (`err_code` of an API answer or a publish ack). */
export const SERVER = {
  clusterNotAvailable: 10008,
  consumerNotFound: 10014,
  insufficientResources: 10023,
  messageNotFound: 10037,
  sequenceNotFound: 10043,
  notEnabledForAccount: 10039,
  storageExceeded: 10047,
  duplicateWindowTooLong: 10052,
  messageTooLarge: 10054,
  messageDeleteFailed: 10057,
  streamNameInUse: 10058,
  streamNotFound: 10059,
  expectedStreamMismatch: 10060,
  subjectsOverlap: 10065,
  notEnabled: 10076,
  streamFull: 10077,
  wrongLastSequence: 10071,
  headersTooLarge: 10097,
  consumerOverlaps: 10100,
  consumerCreate: 10012,
  duplicateInProcess: 10158,
  wrongLastSequenceUnknown: 10164,
  tooManyRequests: 10167,
  batchesDisabled: 10174,
  batchHeaderUnsupported: 10177,
} as const

interface Meaning {
  readonly code: BusErrorCode
  readonly retryable: boolean
  readonly remedy: string
}

const MEANINGS: ReadonlyMap<number, Meaning> = new Map([
  [SERVER.clusterNotAvailable, unavailable('Wait until the cluster has a leader')],
  [SERVER.consumerNotFound, definite('BUS_NOT_FOUND', 'Create the consumer by consuming')],
  [SERVER.insufficientResources, unavailable('Give the server or the account more storage')],
  [SERVER.messageNotFound, definite('BUS_NOT_FOUND', 'It was removed, or never stored')],
  [SERVER.sequenceNotFound, definite('BUS_NOT_FOUND', 'It was removed, or never stored')],
  [SERVER.notEnabledForAccount, definite('BUS_CONFIG', 'Enable JetStream for this account')],
  [SERVER.notEnabled, definite('BUS_CONFIG', 'Start the server with JetStream')],
  [SERVER.storageExceeded, unavailable('Give the account more storage, or remove messages')],
  [SERVER.messageTooLarge, definite('BUS_TOO_LARGE', 'Publish less, or raise maxMessageBytes')],
  [SERVER.headersTooLarge, definite('BUS_TOO_LARGE', 'Send less in headers')],
  [SERVER.streamNotFound, definite('BUS_NOT_FOUND', "Declare it in the bus's streams")],
  [SERVER.expectedStreamMismatch, definite('BUS_NO_STREAM', 'Another stream takes the subject now; connect again')],
  [SERVER.subjectsOverlap, definite('BUS_CONFLICT', 'Narrow the subjects of one stream')],
  [SERVER.streamFull, unavailable('Wait until consumers or limits made room, or raise maxMessages or maxBytes')],
  [SERVER.consumerOverlaps, definite('BUS_CONFLICT', 'The stream is a work queue; narrow one filter')],
])

function unavailable(remedy: string): Meaning {
  return { code: 'BUS_UNAVAILABLE', retryable: true, remedy }
}

function definite(code: BusErrorCode, remedy: string): Meaning {
  return { code, retryable: false, remedy }
}

/** @param what was tried, without the adapter's name: `publish to orders.42` */
export function failure(what: string, code: BusErrorCode, problem: string, cause?: unknown): BusError {
  return new BusError(code, `[nats] ${what}: ${problem}`, cause === undefined ? {} : { cause })
}

/** What a server said no with. */
export class ServerRefusal extends Error {
  override readonly name = 'ServerRefusal'
  /** `err_code` */
  readonly code: number

  constructor(code: number, description: string) {
    super(description)
    this.code = code
  }
}

/** The code that a server refused with; undefined when it was no server that failed. */
export function refusalOf(thrown: unknown): number | undefined {
  const said = thrown instanceof BusError ? thrown.cause : thrown
  return said instanceof ServerRefusal || said instanceof JetStreamApiError ? said.code : undefined
}

/** The server's own answer. */
export function serverFailure(
  what: string,
  errorCode: number,
  description: string,
  cause: unknown = new ServerRefusal(errorCode, description),
): BusError {
  const meaning = MEANINGS.get(errorCode) ?? unavailable('See the server log')
  return new BusError(meaning.code, `[nats] ${what}: ${description} (${errorCode}). ${meaning.remedy}`, {
    cause,
    retryable: meaning.retryable,
  })
}

/** Whatever the client threw. */
export function clientFailure(what: string, thrown: unknown): BusError {
  if (thrown instanceof BusError) return thrown
  if (thrown instanceof JetStreamApiError) return serverFailure(what, thrown.code, thrown.message, thrown)
  const cause = rootOf(thrown)
  if (cause instanceof JetStreamApiError) return serverFailure(what, cause.code, cause.message, thrown)
  if (cause instanceof errors.PermissionViolationError) {
    const remedy = `Allow this user to ${cause.operation === 'publish' ? 'publish' : 'subscribe'} to "${cause.subject}"`
    return failure(what, 'BUS_AUTH', `the server forbids it. ${remedy}`, thrown)
  }
  if (cause instanceof errors.AuthorizationError || cause instanceof errors.UserAuthenticationExpiredError)
    return failure(
      what,
      'BUS_AUTH',
      'the server does not accept these credentials. Check user, password, token or credentials file',
      thrown,
    )
  if (cause instanceof errors.ClosedConnectionError || cause instanceof errors.DrainingConnectionError)
    return failure(what, 'BUS_UNAVAILABLE', 'the connection was closed', thrown)
  if (cause instanceof errors.TimeoutError)
    return failure(what, 'BUS_TIMEOUT', 'the server did not answer in time', thrown)
  if (cause instanceof errors.NoRespondersError)
    return failure(
      what,
      'BUS_UNAVAILABLE',
      'no JetStream answers. Enable JetStream, or wait until the cluster has a leader',
      thrown,
    )
  return failure(what, 'BUS_UNAVAILABLE', describeThrown(thrown), thrown)
}

/** The client wraps what happened in request errors, some levels deep. */
function rootOf(thrown: unknown): unknown {
  let at = thrown
  for (let depth = 0; depth < 5; depth++) {
    if (!(at instanceof Error) || at.cause === undefined || isTelling(at)) return at
    at = at.cause
  }
  return at
}

function isTelling(error: Error): boolean {
  return (
    error instanceof errors.TimeoutError ||
    error instanceof errors.NoRespondersError ||
    error instanceof errors.PermissionViolationError ||
    error instanceof errors.AuthorizationError
  )
}

/** Whether the server said that the thing is not there. */
export function isMissing(thrown: unknown): boolean {
  return thrown instanceof JetStreamApiError && MEANINGS.get(thrown.code)?.code === 'BUS_NOT_FOUND'
}

export function noStream(subject: string): BusError {
  const first = subject.split('.')[0] ?? subject
  const remedy = `Declare one with subjects ["${first}.>"]`
  return failure(`publish to ${subject}`, 'BUS_NO_STREAM', `no stream takes this subject. ${remedy}`)
}
