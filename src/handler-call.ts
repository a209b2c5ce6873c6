/** From a user's handler to what an attempt runs: types the messages by their topics first, so that a bad one never reaches it. */
import type { Attempt } from './attempt.js'
import type { Contract, ReceivedMessage } from './contract.js'
import { invalid } from './duration.js'

type AnyHandler = (input: never, context: never) => unknown

export function handlerCall(handler: AnyHandler, contract: Contract, isBatch: boolean): (attempt: Attempt) => unknown {
  const call = handler as (input: unknown, context: Attempt) => unknown
  if (isBatch) return (attempt) => runBatch(attempt, call, contract)
  if (!contract.hasTopics) return (attempt) => call(attempt.held[0]?.received, attempt)
  return async (attempt) => {
    for (const { received } of attempt.held) {
      await contract.type(received)
      await call(received, attempt)
    }
  }
}

async function runBatch(
  attempt: Attempt,
  call: (input: unknown, context: Attempt) => unknown,
  contract: Contract,
): Promise<void> {
  const good: ReceivedMessage[] = []
  for (const { received } of attempt.held) {
    try {
      if (contract.hasTopics) await contract.type(received)
      else void received.data // decoded here, so that a bad message fails alone and not its whole batch
      good.push(received)
    } catch (thrown) {
      attempt.fail(received, thrown)
    }
  }
  if (good.length > 0) await call(good, attempt)
}

/** Throws `BUS_INVALID_OPTION`. */
export function checkHandler<Handler>(handler: Handler): Handler {
  if (typeof handler === 'function') return handler
  throw invalid('handler', handler, 'a function')
}
