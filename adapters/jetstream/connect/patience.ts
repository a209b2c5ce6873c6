/**
 * Repeats what the servers cannot do just now: no link, no leader, no answer. How long that may take is for the caller to say.
 */
import { BusError } from '../../../src/errors.js'
import { clientFailure, failure } from '../failure.js'
import type { Connection } from './connection.js'

const SOON_MS = 1000
const [FIRST_PAUSE_MS, LONGEST_PAUSE_MS] = [50, 1000]

export interface Patience {
  /** How long to go on trying. */
  readonly withinMs: number
  /** What is missing may come back. Default false. */
  readonly alsoIfMissing?: boolean
  /** Nobody waits for it any more. */
  readonly isOver?: () => boolean
}

/** @param task idempotent: an answer may be lost. @returns undefined when it is over; rejects with the last error when patience is, or when trying again cannot help */
export async function patiently<Result>(
  connection: Connection,
  what: string,
  task: () => Promise<Result>,
  { withinMs, alsoIfMissing = false, isOver = () => false }: Patience,
): Promise<Result | undefined> {
  const { clock } = connection.host
  const deadline = clock.monotonic() + withinMs
  for (let pauseMs = FIRST_PAUSE_MS; !isOver(); pauseMs = Math.min(2 * pauseMs, LONGEST_PAUSE_MS)) {
    try {
      void connection.nats
      if (!connection.isConnected) throw failure(what, 'BUS_UNAVAILABLE', 'not connected')
      return await unlessLost(connection, what, task())
    } catch (thrown) {
      const error = connection.closing.aborted ? closed(what, thrown) : clientFailure(what, thrown)
      const mayHelp = error.retryable || (alsoIfMissing && error.code === 'BUS_NOT_FOUND')
      if (!mayHelp || clock.monotonic() + pauseMs > deadline) throw error
      await pause(connection, pauseMs * (0.5 + connection.host.random() / 2))
    }
  }
  return undefined
}

/** For reports: whoever asks why nothing moves cannot wait as long as the client would. Rejects `BUS_TIMEOUT` after a second. */
export function soon<Result>({ host }: Connection, what: string, work: Promise<Result>): Promise<Result> {
  return new Promise((resolve, reject) => {
    const late = failure(what, 'BUS_TIMEOUT', `the server has not answered within ${SOON_MS} ms`)
    const timer = host.clock.timer(SOON_MS, () => reject(late))
    work.then(resolve, reject).finally(() => timer.cancel())
  })
}

/** An answer does not come over another connection. */
async function unlessLost<Result>(connection: Connection, what: string, task: Promise<Result>): Promise<Result> {
  let stopListening = (): void => {}
  const lost = new Promise<never>((_, reject) => {
    const fail = (): void => reject(failure(what, 'BUS_UNAVAILABLE', 'the connection was lost'))
    stopListening = connection.onLost(fail)
  })
  try {
    return await Promise.race([task, lost])
  } finally {
    stopListening()
  }
}

/** Ends early when the connection is back. */
async function pause(connection: Connection, ms: number): Promise<void> {
  await new Promise<void>((resolve) => {
    const timer = connection.host.clock.timer(ms, end, { ref: false })
    const stopListening = connection.onConnected(end)
    function end(): void {
      timer.cancel()
      stopListening()
      resolve()
    }
  })
}

/** What failed because of the close failed as everything does after it. */
function closed(what: string, thrown: unknown): BusError {
  return new BusError('BUS_CLOSED', `[nats] ${what}: the adapter was closed`, { cause: thrown })
}
