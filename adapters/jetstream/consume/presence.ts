/**
 * Who serves which consumer, in every process: each feed says so every few seconds in a stream that forgets after fifteen, so a crashed
 * process is counted for that long at most.
 */
import type { Timer } from '../../../src/clock.js'
import type { Connection } from '../connect/connection.js'
import { clientFailure, isMissing } from '../failure.js'
import { feedSubject, PRESENCE_STREAM } from '../names.js'

const REPEAT_MS = 5000

export class Presence {
  readonly #connection: Connection

  constructor(connection: Connection) {
    this.#connection = connection
  }

  /** Counted when it resolves. @returns stops it; no longer counted when that resolves */
  async announce(stream: string, consumer: string): Promise<() => Promise<void>> {
    const { nats, host } = this.#connection
    const subject = feedSubject(stream, consumer, this.#connection.inbox().split('.').at(-1) ?? '')
    let timer: Timer
    const repeat = (): void => {
      if (this.#connection.isConnected) nats.publish(subject)
      timer = host.clock.timer(REPEAT_MS, repeat, { ref: false })
    }
    // The first is a request, so that the stream has it before we go on; when nobody answers, the next ones may get through.
    await nats.request(subject, undefined, { timeout: 2000 }).catch(() => {})
    timer = host.clock.timer(REPEAT_MS, repeat, { ref: false })
    return async () => {
      timer.cancel()
      if (!this.#connection.isConnected) return
      await this.#connection.jsm.streams.purge(PRESENCE_STREAM, { filter: subject }).catch(() => {})
    }
  }

  /** Feeds of each consumer of a stream. */
  async count(stream: string): Promise<ReadonlyMap<string, number>> {
    const filter = feedSubject(stream, '*', '*')
    const counts = new Map<string, number>()
    try {
      const { state } = await this.#connection.jsm.streams.info(PRESENCE_STREAM, { subjects_filter: filter })
      for (const subject of Object.keys(state.subjects ?? {})) {
        const consumer = subject.split('.').at(-2) ?? ''
        counts.set(consumer, (counts.get(consumer) ?? 0) + 1)
      }
      return counts
    } catch (thrown) {
      if (isMissing(thrown)) return counts
      throw clientFailure(`count the feeds of stream ${stream}`, thrown)
    }
  }
}
