/**
 * Compares the inner backend with the ledger for as long as the adapter is open, one comparison at a time: each stream by `stream-watch.ts`,
 * and consumers that the inner backend has forgotten. What goes wrong in it is a note, and the next comparison follows.
 */
import type { AdapterReport } from '../../../src/adapter.js'
import type { Timer } from '../../../src/clock.js'
import { BusError, describeThrown } from '../../../src/errors.js'
import { type InnerMark, innerMarks } from '../sql/inner-marks.js'
import { type WaitingConsumer, waitingConsumers } from '../sql/waiting-consumers.js'
import type { LedgerStream, Streams } from '../streams.js'
import { StreamWatch, type StreamWatchParts } from './stream-watch.js'

export interface WatchParts extends Omit<StreamWatchParts, 'closing'> {
  readonly streams: Pick<Streams, 'all'>
  /** 0: never. */
  readonly compareEveryMs: number
  /** Makes the inner backend hand out what the consumer waits for. Does nothing for a consumer that is not attached here. */
  readonly reattach: (consumer: string) => void | Promise<void>
}

export class Watch {
  readonly #parts: WatchParts
  readonly #closing = new AbortController()
  readonly #watches = new Map<LedgerStream, StreamWatch>()
  /** What each idle consumer waited for at the last comparison. */
  #idle = new Map<string, number>()
  #trouble = ''
  #comparing: Promise<void> | undefined
  #timer: Timer | undefined

  constructor(parts: WatchParts) {
    this.#parts = parts
  }

  /** What a person should know, for `health()`. */
  get notes(): readonly string[] {
    return [this.#trouble, ...[...this.#watches.values()].map(({ note }) => note)].filter((note) => note !== '')
  }

  /** The first comparison comes after `compareEveryMs`. */
  start(): void {
    const { clock, compareEveryMs } = this.#parts
    if (compareEveryMs === 0 || this.#closing.signal.aborted) return
    this.#timer = clock.timer(compareEveryMs, () => void this.compare().then(() => this.start()), { ref: false })
  }

  /** Somebody misses messages of a stream: it is compared now. */
  suspect(stream: LedgerStream): void {
    if (this.#parts.compareEveryMs === 0 || this.#closing.signal.aborted) return
    this.#watch(stream).isSuspected = true
    void this.compare()
  }

  /** Resolves when nothing is under way any more. */
  async stop(): Promise<void> {
    this.#closing.abort()
    this.#timer?.cancel()
    await this.#comparing
  }

  /** One comparison; the one under way, when there is one. Never rejects. */
  compare(): Promise<void> {
    this.#comparing ??= this.#compareAll()
      .then(
        () => this.#note(''),
        (thrown: unknown) =>
          this.#note(`[dual] the inner backend cannot be compared with the ledger: ${textOf(thrown)}`),
      )
      .finally(() => {
        this.#comparing = undefined
      })
    return this.#comparing
  }

  #note(trouble: string): void {
    if (trouble !== '' && trouble !== this.#trouble && !this.#closing.signal.aborted)
      this.#parts.logger.log('warn', trouble)
    this.#trouble = trouble
  }

  async #compareAll(): Promise<void> {
    const { database, inner, streams } = this.#parts
    const marks = await database.query<InnerMark>('work', innerMarks(database.schema))
    const waiting = await database.query<WaitingConsumer>('work', waitingConsumers(database.schema))
    const report = await inner.inspect()
    // What cannot be reached cannot be compared; the relay says that it is down.
    if (!report.connected) return
    for (const stream of streams.all) {
      const mark = marks.find(({ id }) => id === stream.id)
      const seen = report.streams.find(({ name }) => name === stream.definition.name)
      if (mark !== undefined && !this.#closing.signal.aborted) await this.#watch(stream).compare(mark, seen)
    }
    await this.#wake(waiting, report)
  }

  #watch(stream: LedgerStream): StreamWatch {
    const known = this.#watches.get(stream)
    if (known !== undefined) return known
    const watch = new StreamWatch({ ...this.#parts, closing: this.#closing.signal }, stream)
    this.#watches.set(stream, watch)
    return watch
  }

  /** Twice nothing to hand out, while the ledger has the same message for it: the inner backend lost the consumer, or its place. */
  async #wake(waiting: readonly WaitingConsumer[], { consumers }: AdapterReport): Promise<void> {
    const { reattach, logger } = this.#parts
    const idle = new Map<string, number>()
    for (const { name, position } of waiting) {
      const seen = consumers.find((consumer) => consumer.name === name)
      if (seen !== undefined && (seen.pending > 0 || seen.inFlight > 0)) continue
      if (this.#idle.get(name) !== position) idle.set(name, position)
      else {
        logger.log('warn', '[dual] a consumer that the inner backend had lost is attached again', { consumer: name })
        await reattach(name)
      }
    }
    this.#idle = idle
  }
}

function textOf(thrown: unknown): string {
  return thrown instanceof BusError ? thrown.message : describeThrown(thrown)
}
