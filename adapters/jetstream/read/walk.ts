/**
 * A stream's messages, one question for each, for streams whose retention depends on consumers: a work queue lets nobody read beside its
 * workers, and an interest stream would keep messages for a reader as it does for a consumer. Slow, and it leaves no trace.
 */

import { Bell } from '../../../src/bell.js'
import type { StoredMessage } from '../../../src/message.js'
import type { ResolvedStart } from '../../../src/topology.js'
import type { Connection } from '../connect/connection.js'
import { patiently } from '../connect/patience.js'
import { getMessage } from './message-get.js'
import type { Source, SourceDefinition, StreamFacts } from './source.js'

/** How often a reader that follows asks for more. */
const POLL_MS = 100
/** Without `follow`: an outage may last that long. */
const PATIENCE_MS = 10_000

export class Walk implements Source {
  readonly #connection: Connection
  readonly #definition: SourceDefinition
  readonly #start: ResolvedStart
  readonly #lastSequence: number
  readonly #bell = new Bell()
  #sequence = 1
  /** From `'last-per-subject'`: what was there when it began, without what other messages have replaced. */
  #newest: ReadonlySet<number> | undefined
  #isClosed = false

  /** @param start of the kinds that a server understands: not `'last'` and not `'new'` */
  constructor(connection: Connection, definition: SourceDefinition, start: ResolvedStart, facts: StreamFacts) {
    this.#connection = connection
    this.#definition = definition
    this.#start = start
    this.#lastSequence = facts.lastSequence
  }

  async open(): Promise<void> {
    if (typeof this.#start === 'object' && 'sequence' in this.#start) this.#sequence = this.#start.sequence
    if (this.#start === 'last-per-subject') this.#newest = await this.#findNewest()
  }

  async next(): Promise<StoredMessage | undefined> {
    while (!this.#isClosed) {
      const message = await this.#find()
      if (message !== undefined && this.#isWanted(message)) return message
      if (message !== undefined) continue
      if (!this.#definition.follow) return undefined
      const timer = this.#connection.host.clock.timer(POLL_MS, () => this.#bell.ring(), { ref: false })
      await this.#bell.heard()
      timer.cancel()
    }
    return undefined
  }

  async close(): Promise<void> {
    this.#isClosed = true
    this.#bell.ring()
  }

  /** The first one of any filter. */
  async #find(): Promise<StoredMessage | undefined> {
    const { stream, filters, follow } = this.#definition
    const patience = {
      withinMs: follow ? Number.POSITIVE_INFINITY : PATIENCE_MS,
      alsoIfMissing: follow,
      isOver: () => this.#isClosed,
    }
    const { jsm } = this.#connection
    const ask = (filter: string) => getMessage(jsm, stream, { seq: this.#sequence, next_by_subj: filter })
    const all = () => Promise.all(filters.map(ask))
    const found = (await patiently(this.#connection, `read stream ${stream}`, all, patience)) ?? []
    let first: StoredMessage | undefined
    for (const each of found) if (each !== undefined && each.sequence < (first?.sequence ?? Infinity)) first = each
    if (first !== undefined) this.#sequence = first.sequence + 1
    return first
  }

  #isWanted({ sequence, time }: StoredMessage): boolean {
    if (this.#newest !== undefined && sequence <= this.#lastSequence) return this.#newest.has(sequence)
    return typeof this.#start !== 'object' || !('timeMs' in this.#start) || time >= this.#start.timeMs
  }

  async #findNewest(): Promise<ReadonlySet<number>> {
    const newest = new Map<string, number>()
    for (let message = await this.#find(); message !== undefined; message = await this.#find()) {
      if (message.sequence > this.#lastSequence) break
      newest.set(message.subject, message.sequence)
    }
    this.#sequence = 1
    return new Set(newest.values())
  }
}
