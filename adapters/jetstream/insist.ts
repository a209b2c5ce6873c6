/** Questions to the server that may be asked twice, because the answer to one can be lost. Publishing has rules of its own. */
import { errors } from '@nats-io/transport-node'

/** Of the client's five seconds each. */
const TRIES = 3

/**
 * Asks again when no answer came: a cluster drops a request that meets an election, and creating a consumer while the leader of a young stream
 * settles in. Only for calls that change nothing, or nothing more the second time.
 */
export async function insist<Answer>(ask: () => Promise<Answer>): Promise<Answer> {
  for (let tries = 1; ; tries++) {
    try {
      return await ask()
    } catch (thrown) {
      if (tries === TRIES || !isTimeout(thrown)) throw thrown
    }
  }
}

function isTimeout(thrown: unknown): boolean {
  return thrown instanceof errors.TimeoutError
}
