/** Adapters that lie about what they have stored, or store what they should not. */
import { randomUUID } from 'node:crypto'
import type { Adapter, PublishOutcome } from '../../../src/adapter.js'
import type { Outgoing } from '../../../src/message.js'
import { type Broken, instead } from './broken.js'

const CHANGED_ONE_IN = 100

/** It says that it has stored the message, in the place of the one before. Early enough for a short run. */
export const dropsSome: Broken = {
  name: 'drops one in a thousand',
  adapter: 'memory',
  faults: [],
  rule: 'R1',
  // What was dropped is not there to be repeated or contradicted.
  follows: ['R4'],
  breaks(adapter) {
    const ids = new Set<string>()
    return instead(adapter, {
      publish: async (batch, timeoutMs) => {
        // A repetition that is dropped is no loss.
        const isKept = batch.map(({ id }) => ids.has(id) || ids.add(id).size % 1000 !== 300)
        const kept = batch.filter((_, at) => isKept[at])
        const outcomes = [...(await adapter.publish(kept, timeoutMs))]
        return batch.map((message, at) => (isKept[at] ? outcomes.shift() : undefined) ?? accepted(message))
      },
    })
  },
}

export const resolvesBeforeCommit: Broken = {
  name: 'resolves before it is committed',
  adapter: 'dual',
  // The producer dies while what it was told is stored waits for a commit.
  faults: ['F10b+F2'],
  rule: 'R1',
  // Nor is it known by then whether an id is taken, or who is first of a key.
  follows: ['R4', 'R5', 'R8'],
  breaks: (adapter) =>
    instead(adapter, {
      publish: (batch, timeoutMs) => {
        void Promise.resolve(adapter.publish(batch, timeoutMs)).catch(() => {})
        return batch.map(accepted)
      },
    }),
}

export const refusesWhatItDoubts: Broken = {
  name: 'takes a time limit for a refusal',
  adapter: 'nats',
  faults: ['F13c'],
  rule: 'R9',
  follows: ['R2'],
  breaks: (adapter) =>
    withOutcomes(adapter, (outcome) => (outcome.status === 'unknown' ? { ...outcome, status: 'rejected' } : outcome)),
}

export const takesOtherContent: Broken = {
  name: 'takes another content of an id for a repetition',
  adapter: 'memory',
  faults: [],
  rule: 'R4',
  follows: [],
  breaks: (adapter) =>
    withOutcomes(adapter, (outcome, message) => {
      const isConflict = outcome.status === 'rejected' && outcome.error.code === 'BUS_ID_CONFLICT'
      return isConflict ? { ...accepted(message), duplicate: true } : outcome
    }),
}

/** Some arrive with a letter more than they were sent with. */
export const changesSome: Broken = {
  name: 'changes some on their way',
  adapter: 'memory',
  faults: [],
  rule: 'R2',
  // What was published is not what is there.
  follows: ['R1', 'R4'],
  breaks: (adapter) => {
    let calls = 0
    const changed = (message: Outgoing): Outgoing => {
      if (++calls % CHANGED_ONE_IN !== 0) return message
      const text = Buffer.from(message.payload).toString().replace('{"id":', '{"more":"a","id":')
      return { ...withDedupId(message, message.dedupId), payload: Buffer.from(text), text }
    }
    return instead(adapter, { publish: (batch, timeoutMs) => adapter.publish(batch.map(changed), timeoutMs) })
  },
}

/** The server's window never meets an id twice. */
export const repeatsWithNewIds: Broken = {
  name: 'repeats with a new id',
  adapter: 'nats',
  faults: [],
  rule: 'R4',
  // Two copies reach two processes.
  follows: ['R3', 'R5', 'R6'],
  breaks: (adapter) =>
    instead(adapter, {
      publish: (batch, timeoutMs) =>
        adapter.publish(
          batch.map((message) => withDedupId(message, randomUUID())),
          timeoutMs,
        ),
    }),
}

function withOutcomes(
  adapter: Adapter,
  change: (outcome: PublishOutcome, message: Outgoing) => PublishOutcome,
): Adapter {
  return instead(adapter, {
    publish: async (batch, timeoutMs) => {
      const outcomes = await adapter.publish(batch, timeoutMs)
      return batch.map((message, at) => change(outcomes[at] ?? accepted(message), message))
    },
  })
}

/** A message may be an instance with getters: it is copied field by field. */
export function withDedupId(
  { id, isFresh, subject, key, headers, payload, text, delayMs }: Outgoing,
  dedupId: string,
): Outgoing {
  return { id, dedupId, isFresh, subject, key, headers, payload, text, delayMs }
}

/** Where the message would be. */
export function accepted({ subject }: Outgoing, sequence = 1) {
  const stream = subject.startsWith('dead.') ? 'dead' : 'orders'
  return { status: 'accepted', stream, sequence, duplicate: false } as const
}
