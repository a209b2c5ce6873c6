/**
 * Takes messages of the inner backend that the ledger does not have into the ledger, in their order and after everything that is there. Each
 * is stored first and its copy removed afterwards: a crash in between leaves a message whose id is known, and the next import removes it.
 */
import type { Adapter } from '../../../src/adapter.js'
import type { Logger } from '../../../src/logger.js'
import { messageBytes, type Outgoing, type StoredMessage } from '../../../src/message.js'
import type { Database } from '../database/database.js'
import { QueryFailure } from '../database/pg-failure.js'
import { type Answer, understand } from '../publish/answer.js'
import { toDrafts } from '../publish/drafts.js'
import { NOBODY } from '../relay/outbox.js'
import { append } from '../sql/append.js'
import { STAMP_BYTES, withoutStamp } from '../stamp.js'
import type { LedgerStream } from '../streams.js'

const BATCH = 200

export interface ImportParts {
  readonly database: Database
  readonly inner: Adapter
  readonly logger: Logger
}

/** @param foreign inner sequences, ascending @returns how many the ledger has taken */
export async function importForeign(
  parts: ImportParts,
  stream: LedgerStream,
  foreign: readonly number[],
): Promise<number> {
  const { name, subjects } = stream.definition
  const [first = 1, last = 0] = [foreign[0], foreign.at(-1)]
  const wanted = new Set(foreign)
  let [imported, batch]: [number, StoredMessage[]] = [0, []]
  const read = parts.inner.read({ stream: name, filters: subjects, from: { sequence: first }, toSequence: last })
  for await (const message of read) {
    if (!wanted.has(message.sequence)) continue
    batch.push(message)
    if (batch.length < BATCH) continue
    imported += await take(parts, stream, batch)
    batch = []
  }
  return imported + (await take(parts, stream, batch))
}

async function take(parts: ImportParts, stream: LedgerStream, messages: readonly StoredMessage[]): Promise<number> {
  const fitting = messages.filter((message) => fits(parts, stream, message))
  if (fitting.length === 0) return 0
  const drafts = fitting.map((message) => ({ message: toOutgoing(message), stream }))
  const outcomes = await store(parts, drafts)
  // What the database cannot store must not keep the others out.
  if (outcomes === undefined && fitting.length > 1) {
    let imported = 0
    for (const message of fitting) imported += await take(parts, stream, [message])
    return imported
  }
  const taken: number[] = []
  let imported = 0
  for (const [at, { id, sequence }] of fitting.entries()) {
    const outcome = outcomes?.[at]
    if (outcome?.status === 'accepted') taken.push(sequence)
    else leave(parts.logger, stream, id, outcome?.error.message ?? 'the ledger cannot store it')
    if (outcome?.status === 'accepted' && !outcome.duplicate) imported++
  }
  await parts.inner.remove(stream.definition.name, taken)
  return imported
}

/** Undefined when the server refused the batch as a whole. */
async function store({ database }: ImportParts, drafts: Parameters<typeof understand>[0]) {
  try {
    const statement = append(database.schema, NOBODY, toDrafts(drafts), true, null)
    const rows = await database.query<{ readonly answer: Answer }>('work', statement)
    return understand(drafts, rows[0]?.answer ?? { runs: [], odd: [] }).outcomes
  } catch (thrown) {
    if (thrown instanceof QueryFailure && thrown.effect === 'refused' && /^2[23]/.test(thrown.code)) return undefined
    throw thrown
  }
}

/** It gets a stamp, and what the inner backend then refuses would stand in the way of all that comes after it. */
function fits({ inner, logger }: ImportParts, stream: LedgerStream, message: StoredMessage): boolean {
  const room = (inner.maxMessageBytes?.() ?? Number.POSITIVE_INFINITY) - STAMP_BYTES
  const most = Math.min(stream.definition.maxMessageBytes, room)
  const bytes = messageBytes(toOutgoing(message))
  if (bytes <= most) return true
  leave(logger, stream, message.id, `its ${bytes} bytes are more than ${most}`)
  return false
}

function leave(logger: Logger, { definition }: LedgerStream, id: string, why: string): void {
  logger.log('warn', '[dual] a message stays in the inner backend only', { stream: definition.name, id, why })
}

function toOutgoing({ id, subject, key, headers, payload }: StoredMessage): Outgoing {
  return { id, dedupId: id, isFresh: false, subject, key, headers: withoutStamp(headers), payload, delayMs: 0 }
}
