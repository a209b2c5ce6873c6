/** The relay of this process: a way to the inner backend for each stream, and the outbox that they share. */
import type { AdapterHost } from '../../../src/adapter.js'
import type { Run } from '../publish/answer.js'
import type { LedgerStream, Streams } from '../streams.js'
import { Outbox } from './outbox.js'
import { type RelayParts, StreamRelay } from './stream-relay.js'

export interface RelaySettings extends Omit<RelayParts, 'outbox' | 'host'> {
  readonly streams: Streams
  readonly leaseMs: number
}

export class Relay {
  readonly #settings: RelaySettings
  readonly #outbox: Outbox
  readonly #ways = new Map<number, StreamRelay>()
  #host: AdapterHost | undefined

  constructor(settings: RelaySettings) {
    const { database, owner, leaseMs } = settings
    this.#settings = settings
    this.#outbox = new Outbox(database, owner, leaseMs, (stream) => this.nudge(stream))
  }

  async open(host: AdapterHost): Promise<void> {
    this.#host = host
    await this.#outbox.open(host)
  }

  stored(runs: readonly Run[]): void {
    for (const run of runs) this.#way(run.stream)?.stored(run)
  }

  /** Looks at the outbox of a stream, or of all. */
  nudge(streamId?: number): void {
    for (const stream of this.#settings.streams.all)
      if (streamId === undefined || streamId === stream.id) this.#way(stream)?.catchUp()
  }

  /** Why the inner backend takes nothing, for `health()`; empty while it does. */
  troubles(): readonly string[] {
    const troubles = [...this.#ways.values()].map((way) => way.trouble)
    return [...new Set(troubles)].filter((trouble) => trouble !== '')
  }

  async close(): Promise<void> {
    await Promise.all([...this.#ways.values()].map((way) => way.close()))
    await this.#outbox.close()
  }

  #way(stream: LedgerStream): StreamRelay | undefined {
    if (this.#host === undefined) return undefined
    let way = this.#ways.get(stream.id)
    if (way === undefined) {
      way = new StreamRelay(stream, { ...this.#settings, outbox: this.#outbox, host: this.#host })
      this.#ways.set(stream.id, way)
    }
    return way
  }
}
