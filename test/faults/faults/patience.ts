/** What a fault wants to break may still be mended from the fault before it. */
import { setTimeout as wait } from 'node:timers/promises'
import { JetStreamApiError } from '@nats-io/jetstream'

const LOOK_MS = 100
const WITHIN_MS = 60_000
const [NO_CONSUMER, NO_STREAM] = [10014, 10059]

/** Repeats the work until the stream, or the consumer, is there. */
export async function onceThere<Result>(work: () => Promise<Result>): Promise<Result> {
  for (const giveUpAt = performance.now() + WITHIN_MS; ; await wait(LOOK_MS)) {
    try {
      return await work()
    } catch (thrown) {
      const isMissing = thrown instanceof JetStreamApiError && [NO_CONSUMER, NO_STREAM].includes(thrown.code)
      if (!isMissing || performance.now() > giveUpAt) throw thrown
    }
  }
}
