/**
 * Publishing: finds the stream, refuses what no backend would take before anything is stored (JS-P6), and gives the rest to the ledger. Who
 * is to read it later goes to the delayed messages instead.
 */
import type { Adapter, PublishOutcome } from '../../../src/adapter.js'
import { BusError } from '../../../src/errors.js'
import { messageBytes, type Outgoing, usableSpare } from '../../../src/message.js'
import { STAMP_BYTES } from '../stamp.js'
import type { LedgerStream, Streams } from '../streams.js'
import type { Draft } from './drafts.js'
import type { GroupCommit } from './group-commit.js'
import type { StreamCommits } from './stream-commits.js'

export class Publisher {
  readonly #streams: Streams
  readonly #inner: Adapter
  readonly #ledger: StreamCommits
  readonly #delayed: StreamCommits

  constructor(streams: Streams, inner: Adapter, ledger: StreamCommits, delayed: StreamCommits) {
    this.#streams = streams
    this.#inner = inner
    this.#ledger = ledger
    this.#delayed = delayed
  }

  publish(batch: readonly Outgoing[], timeoutMs: number): Promise<readonly PublishOutcome[]> {
    const [only] = batch
    return only !== undefined && batch.length === 1
      ? this.#publishOne(only, timeoutMs)
      : this.#publishAll(batch, timeoutMs)
  }

  #publishOne(message: Outgoing, timeoutMs: number): Promise<readonly PublishOutcome[]> {
    const draft = this.draft(message)
    if (draft instanceof BusError) return Promise.resolve([{ status: 'rejected', error: draft }])
    return this.#wayOf(draft).add([draft], timeoutMs)
  }

  async #publishAll(batch: readonly Outgoing[], timeoutMs: number): Promise<readonly PublishOutcome[]> {
    const outcomes: PublishOutcome[] = new Array(batch.length)
    const ways = new Map<GroupCommit, Selection>()
    batch.forEach((message, at) => {
      const draft = this.draft(message)
      if (draft instanceof BusError) outcomes[at] = { status: 'rejected', error: draft }
      else selection(ways, this.#wayOf(draft)).add(draft, at)
    })
    await Promise.all([...ways.values()].map((way) => way.publish(outcomes, timeoutMs)))
    return outcomes
  }

  #wayOf({ message, stream }: Draft): GroupCommit {
    return (message.delayMs > 0 ? this.#delayed : this.#ledger).of(stream)
  }

  /** Or why it cannot be published. */
  draft(message: Outgoing): Draft | BusError {
    const stream = this.#streams.find(message.subject)
    if (stream === undefined) return noStream(message.subject)
    return this.#tooLarge(message, stream) ?? { message, stream }
  }

  #tooLarge(message: Outgoing, { definition }: LedgerStream): BusError | undefined {
    const { name, maxMessageBytes, maxBytes } = definition
    const bytes = messageBytes(message)
    const allowed = this.#inner.maxMessageBytes?.() ?? Number.POSITIVE_INFINITY
    const inner = allowed + usableSpare(message.headers) - STAMP_BYTES
    if (bytes <= maxMessageBytes && bytes <= maxBytes && bytes <= inner) return undefined
    const problem =
      bytes > Math.min(maxMessageBytes, maxBytes)
        ? `${Math.min(maxMessageBytes, maxBytes)} of stream ${name}. Publish less, or raise ${maxBytes < maxMessageBytes ? 'maxBytes' : 'maxMessageBytes'}`
        : `${inner} that the ${this.#inner.name} backend takes. Publish less, or raise its limit`
    return new BusError(
      'BUS_TOO_LARGE',
      `[dual] publish to ${message.subject}: ${bytes} bytes are more than the ${problem}`,
    )
  }
}

/** The part of a batch that goes one way. */
class Selection {
  readonly #way: GroupCommit
  readonly #drafts: Draft[] = []
  readonly #places: number[] = []

  constructor(way: GroupCommit) {
    this.#way = way
  }

  add(draft: Draft, at: number): void {
    this.#drafts.push(draft)
    this.#places.push(at)
  }

  async publish(outcomes: PublishOutcome[], timeoutMs: number): Promise<void> {
    if (this.#drafts.length === 0) return
    const own = await this.#way.add(this.#drafts, timeoutMs)
    own.forEach((outcome, n) => {
      outcomes[this.#places[n] ?? 0] = outcome
    })
  }
}

function selection(ways: Map<GroupCommit, Selection>, way: GroupCommit): Selection {
  const selected = ways.get(way) ?? new Selection(way)
  ways.set(way, selected)
  return selected
}

function noStream(subject: string): BusError {
  const first = subject.split('.')[0] ?? subject
  return new BusError(
    'BUS_NO_STREAM',
    `[dual] publish to ${subject}: no stream takes this subject. Declare one with subjects ["${first}.>"]`,
  )
}
