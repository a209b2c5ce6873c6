/**
 * Publishing: finds the stream, refuses what no backend would take before anything is stored (JS-P6), and gives the rest to the ledger. Who
 * is to read it later goes to the delayed messages instead.
 */
import type { Adapter, PublishOutcome } from '../../../src/adapter.js'
import { BusError } from '../../../src/errors.js'
import { messageBytes, type Outgoing } from '../../../src/message.js'
import { STAMP_BYTES } from '../stamp.js'
import type { LedgerStream, Streams } from '../streams.js'
import type { Draft } from './drafts.js'
import type { GroupCommit } from './group-commit.js'

export class Publisher {
  readonly #streams: Streams
  readonly #inner: Adapter
  readonly #ledger: GroupCommit
  readonly #delayed: GroupCommit

  constructor(streams: Streams, inner: Adapter, ledger: GroupCommit, delayed: GroupCommit) {
    this.#streams = streams
    this.#inner = inner
    this.#ledger = ledger
    this.#delayed = delayed
  }

  async publish(batch: readonly Outgoing[], timeoutMs: number): Promise<readonly PublishOutcome[]> {
    const outcomes: PublishOutcome[] = new Array(batch.length)
    const now = new Selection(this.#ledger)
    const later = new Selection(this.#delayed)
    batch.forEach((message, at) => {
      const draft = this.draft(message)
      if (draft instanceof BusError) outcomes[at] = { status: 'rejected', error: draft }
      else (message.delayMs > 0 ? later : now).add(draft, at)
    })
    await Promise.all([now.publish(outcomes, timeoutMs), later.publish(outcomes, timeoutMs)])
    return outcomes
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
    const inner = (this.#inner.maxMessageBytes?.() ?? Number.POSITIVE_INFINITY) - STAMP_BYTES
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

function noStream(subject: string): BusError {
  const first = subject.split('.')[0] ?? subject
  return new BusError(
    'BUS_NO_STREAM',
    `[dual] publish to ${subject}: no stream takes this subject. Declare one with subjects ["${first}.>"]`,
  )
}
