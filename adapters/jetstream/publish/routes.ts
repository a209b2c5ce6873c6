/**
 * Which stream takes a subject: a declared one, or one that somebody else made and the server was asked for once. What is declared needs
 * no request; answers of the server are remembered until one of them proves wrong.
 */
import type { JetStreamManager } from '@nats-io/jetstream'
import type { ResolvedStream } from '../../../src/topology.js'
import type { Connection } from '../connect/connection.js'
import { clientFailure, failure, isMissing } from '../failure.js'
import { findStream } from '../provision/provision.js'
import type { Streams } from '../provision/streams.js'

const MAX_REMEMBERED = 1000
const MAX_ASKED = 1000
const NS_PER_MS = 1_000_000

/** What a publisher needs to know of a stream. */
export type Target = Pick<
  ResolvedStream,
  'name' | 'maxMessageBytes' | 'dedupWindowMs' | 'maxAgeMs' | 'storage' | 'replicas'
>

export class Routes {
  readonly #connection: Connection
  readonly #streams: Streams
  readonly #found = new Map<string, Target>()
  readonly #asked = new Map<string, Promise<Target | undefined>>()
  /** Shared by all who wait for the link. */
  #connected: Promise<void> | undefined

  constructor(connection: Connection, streams: Streams) {
    this.#connection = connection
    this.#streams = streams
  }

  /** Answers at once; undefined when the server has to be asked. */
  known(subject: string): Target | undefined {
    return this.#streams.find(subject) ?? this.#found.get(subject)
  }

  /**
   * Asks the server, once for all who ask at the same time, and as soon as it is connected. Undefined when no stream takes the subject.
   * Rejects when too many questions are open.
   */
  ask(subject: string): Promise<Target | undefined> {
    const asked = this.#asked.get(subject)
    if (asked !== undefined) return asked
    if (this.#asked.size >= MAX_ASKED) {
      const problem = `${MAX_ASKED} subjects of undeclared streams wait for an answer already. Declare their streams`
      return Promise.reject(failure(`publish to ${subject}`, 'BUS_UNAVAILABLE', problem))
    }
    const answer = this.#find(subject).finally(() => this.#asked.delete(subject))
    this.#asked.set(subject, answer)
    return answer
  }

  /** What the server said of a stream is true no longer. */
  forget(stream: string): void {
    for (const [subject, { name }] of this.#found) if (name === stream) this.#found.delete(subject)
  }

  /**
   * What is missing when a stream does not take what it should: itself, the subject among its subjects, or nothing, and then it may be
   * without a leader. Rejects when nobody knows.
   */
  async whatIsMissing(stream: string, subject: string): Promise<'stream' | 'subject' | 'nothing'> {
    const { jsm } = this.#connection
    if ((await nameFor(jsm, subject)) === stream) return 'nothing'
    return (await findStream(jsm, stream)) === undefined ? 'stream' : 'subject'
  }

  async #find(subject: string): Promise<Target | undefined> {
    await this.#untilConnected()
    const { jsm } = this.#connection
    const name = await nameFor(jsm, subject)
    if (name === undefined) return undefined
    const found = await findStream(jsm, name)
    if (found === undefined) return undefined
    const { max_msg_size, max_age, duplicate_window, storage, num_replicas: replicas } = found.config
    const target = {
      name,
      maxMessageBytes: max_msg_size > 0 ? max_msg_size : Number.POSITIVE_INFINITY,
      dedupWindowMs: duplicate_window / NS_PER_MS,
      maxAgeMs: max_age > 0 ? max_age / NS_PER_MS : Number.POSITIVE_INFINITY,
      storage,
      replicas,
    }
    this.#remember(subject, target)
    return target
  }

  /** The client would keep a request that cannot be sent, and drop it later (JS-R3). */
  async #untilConnected(): Promise<void> {
    const { isConnected, closing } = this.#connection
    if (isConnected || closing.aborted) return
    this.#connected ??= new Promise((resolve) => {
      const go = (): void => {
        stop()
        closing.removeEventListener('abort', go)
        this.#connected = undefined
        resolve()
      }
      const stop = this.#connection.onConnected(go)
      closing.addEventListener('abort', go)
    })
    await this.#connected
  }

  #remember(subject: string, target: Target): void {
    const [oldest] = this.#found.keys()
    if (this.#found.size >= MAX_REMEMBERED && oldest !== undefined) this.#found.delete(oldest)
    this.#found.set(subject, target)
  }
}

async function nameFor(jsm: JetStreamManager, subject: string): Promise<string | undefined> {
  try {
    return await jsm.streams.find(subject)
  } catch (thrown) {
    if (isMissing(thrown)) return undefined
    throw clientFailure(`look for the stream of ${subject}`, thrown)
  }
}
