/**
 * Dead letters: each stored and settled in one statement, repeated until it is known what became of it (PG-I4, PG-U1). One after the other,
 * so that they lie in the order in which their messages were given up.
 */
import type { PublishOutcome } from '../../../src/adapter.js'
import type { Clock } from '../../../src/clock.js'
import type { Outgoing } from '../../../src/message.js'
import type { Database } from '../database/database.js'
import { isUnknown, ledgerError } from '../database/pg-failure.js'
import { type Answer, type Run, understand } from '../publish/answer.js'
import { type Draft, toDrafts } from '../publish/drafts.js'
import { bury as statement } from '../sql/bury.js'
import type { LedgerStream } from '../streams.js'
import type { LedgerDelivery } from './ledger-delivery.js'

const PAUSE_MS = 100

export interface BurialParts {
  readonly database: Database
  readonly clock: Clock
  readonly owner: string
  readonly lockMs: number
  readonly onStored: (runs: readonly Run[], drafts: readonly Draft[]) => void
  readonly onDoubt: (streams: ReadonlySet<LedgerStream>) => void
}

export class Burials {
  readonly #parts: BurialParts
  #last: Promise<unknown> = Promise.resolve()

  constructor(parts: BurialParts) {
    this.#parts = parts
  }

  bury(delivery: LedgerDelivery, draft: Draft, timeoutMs: number): Promise<PublishOutcome> {
    const outcome = this.#last.then(() => bury(this.#parts, delivery, draft, timeoutMs))
    this.#last = outcome
    return outcome
  }
}

async function bury(
  parts: BurialParts,
  delivery: LedgerDelivery,
  draft: Draft,
  timeoutMs: number,
): Promise<PublishOutcome> {
  const { database, clock, owner, lockMs } = parts
  const { consumer, message } = delivery
  const giveUpAt = clock.monotonic() + timeoutMs
  const query = statement(database.schema, owner, toDrafts([draft]), consumer, message.sequence, lockMs)
  for (;;) {
    try {
      const [row] = await database.query<{ answer: Answer }>('work', query)
      const { outcomes, runs } = understand([draft], row?.answer ?? { runs: [], odd: [] })
      parts.onStored(runs, [draft])
      const [outcome] = outcomes
      if (outcome?.status === 'accepted') delivery.isRecorded = true
      return outcome ?? { status: 'unknown', error: failed(draft.message, undefined) }
    } catch (thrown) {
      if (!isUnknown(thrown)) return { status: 'rejected', error: failed(draft.message, thrown) }
      parts.onDoubt(new Set([draft.stream]))
      if (clock.monotonic() >= giveUpAt) return { status: 'unknown', error: failed(draft.message, thrown) }
      await new Promise<void>((resolve) => void clock.timer(PAUSE_MS, resolve))
    }
  }
}

function failed({ subject }: Outgoing, thrown: unknown) {
  return ledgerError(`store a dead letter at ${subject}`, thrown)
}
