/** What one publish call gave to the ledger, and the call that waits for it. It ends once: with an outcome for each message. */
import type { PublishOutcome } from '../../../src/adapter.js'
import type { Due } from '../../../src/due-queue.js'
import type { BusError } from '../../../src/errors.js'
import type { Draft } from './drafts.js'

export class Parcel implements Due {
  readonly drafts: readonly Draft[]
  readonly bytes: number
  readonly timeoutMs: number
  readonly done: Promise<readonly PublishOutcome[]>
  /** A statement with it is on its way: what follows is in the server's hands. */
  isSent = false
  /** An attempt may have been committed: its answer was lost. */
  isInDoubt = false
  isEnded = false
  dueAt = 0
  dueSlot = -1
  dueOrder = 0
  #resolve: (outcomes: readonly PublishOutcome[]) => void = () => {}

  constructor(drafts: readonly Draft[], timeoutMs: number) {
    this.drafts = drafts
    this.bytes = drafts.reduce((bytes, { message }) => bytes + message.payload.byteLength, 0)
    this.timeoutMs = timeoutMs
    this.done = new Promise((resolve) => {
      this.#resolve = resolve
    })
  }

  end(outcomes: readonly PublishOutcome[]): void {
    this.isEnded = true
    this.#resolve(outcomes)
  }

  /** Nothing more is known of it: rejected when it was surely not stored, else unknown. */
  fail(why: (draft: Draft) => BusError): void {
    const status = this.isSent || this.isInDoubt ? 'unknown' : 'rejected'
    this.end(this.drafts.map((draft) => ({ status, error: why(draft) })))
  }
}
