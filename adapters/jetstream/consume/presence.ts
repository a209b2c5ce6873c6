/**
 * Who serves which consumer, in every process: each feed says so every few seconds in a stream that forgets after fifteen, so a crashed
 * process is counted for that long at most.
 */
import type { Subscription } from '@nats-io/transport-node'
import type { Timer } from '../../../src/clock.js'
import type { Connection } from '../connect/connection.js'
import { clientFailure, isMissing } from '../failure.js'
import { feedSubject, leftSubject, PRESENCE_STREAM } from '../names.js'

const REPEAT_MS = 5000

/** A feed that others hear of. */
export interface Announced {
  readonly stream: string
  readonly consumer: string
  /** One token, unique among all feeds. */
  readonly feed: string
}

export class Presence {
  readonly #connection: Connection

  constructor(connection: Connection) {
    this.#connection = connection
  }

  /** A new feed of a consumer. */
  name(stream: string, consumer: string): Announced {
    return { stream, consumer, feed: this.#connection.inbox().split('.').at(-1) ?? '' }
  }

  /** Counted when it resolves. @returns stops it; no longer counted when that resolves */
  async announce({ stream, consumer, feed }: Announced, repeatMs = REPEAT_MS): Promise<() => Promise<void>> {
    const { nats, host } = this.#connection
    const subject = feedSubject(stream, consumer, feed)
    let timer: Timer
    const repeat = (): void => {
      if (this.#connection.isConnected) nats.publish(subject)
      timer = host.clock.timer(repeatMs, repeat, { ref: false })
    }
    // The first is a request, so that the stream has it before we go on; when nobody answers, the next ones may get through.
    await nats.request(subject, undefined, { timeout: 2000 }).catch(() => {})
    timer = host.clock.timer(repeatMs, repeat, { ref: false })
    return async () => {
      timer.cancel()
      if (!this.#connection.isConnected) return
      nats.publish(leftSubject(stream, consumer, feed))
      await this.#connection.jsm.streams.purge(PRESENCE_STREAM, { filter: subject }).catch(() => {})
    }
  }

  /** Calls back with each feed of a consumer that says it is there or that it leaves. @returns stops it */
  listen(stream: string, consumer: string, callback: (feed: string, isThere: boolean) => void): () => void {
    const { nats } = this.#connection
    const hear = (subject: string, isThere: boolean): Subscription =>
      nats.subscribe(subject, {
        callback: (error, message) => {
          if (error === null) callback(tokenAt(message.subject, -1), isThere)
        },
      })
    const there = hear(feedSubject(stream, consumer, '*'), true)
    const left = hear(leftSubject(stream, consumer, '*'), false)
    return () => {
      there.unsubscribe()
      left.unsubscribe()
    }
  }

  /** The feeds that a consumer is known to have, those included that ended without a word in the last 15 s. */
  async feeds(stream: string, consumer: string): Promise<readonly string[]> {
    return (await this.#subjects(stream, consumer)).map((subject) => tokenAt(subject, -1))
  }

  /** Feeds of each consumer of a stream. */
  async count(stream: string): Promise<ReadonlyMap<string, number>> {
    const counts = new Map<string, number>()
    for (const subject of await this.#subjects(stream, '*')) {
      const consumer = tokenAt(subject, -2)
      counts.set(consumer, (counts.get(consumer) ?? 0) + 1)
    }
    return counts
  }

  async #subjects(stream: string, consumer: string): Promise<readonly string[]> {
    const filter = feedSubject(stream, consumer, '*')
    try {
      const { state } = await this.#connection.jsm.streams.info(PRESENCE_STREAM, { subjects_filter: filter })
      return Object.keys(state.subjects ?? {})
    } catch (thrown) {
      if (isMissing(thrown)) return []
      throw clientFailure(`count the feeds of stream ${stream}`, thrown)
    }
  }
}

function tokenAt(subject: string, index: number): string {
  return subject.split('.').at(index) ?? ''
}
