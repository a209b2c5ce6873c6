/**
 * A stream that the inner backend does not have any more. Everything that the ledger keeps of it is put on its way again before the stream is
 * made: from its first moment on, what is published meanwhile waits behind older messages of its key.
 */
import { isBusError } from '../../../src/errors.js'
import { innerDefinition } from '../inner-definition.js'
import { NOBODY } from '../relay/outbox.js'
import { sendAgain } from '../sql/send-again.js'
import type { LedgerStream } from '../streams.js'
import { endOf, ledgerRows, onTheirWay } from './ledger-walk.js'
import { whileAlone } from './locks.js'
import { PositionSet } from './position-set.js'
import type { RepairParts } from './repair.js'
import { newRound } from './resend.js'

/** Positions of one range at most: each is a sign of life. */
const RANGE = 1000

/** Does nothing when the stream is there, or somebody else is at it. Resolves when everything is on its way, not when it has arrived. */
export async function rebuildLost(parts: RepairParts, stream: LedgerStream): Promise<void> {
  const { database, clock } = parts
  if (await isThere(parts, stream)) return
  try {
    await whileAlone(database, stream, clock, async () => {
      if (!(await isThere(parts, stream))) await rebuild(parts, stream, newRound(parts))
    })
  } catch (thrown) {
    if (!isBusError(thrown, 'BUS_CONFLICT')) throw thrown
  }
}

/** For who is alone at it: the stream may be lost while its messages are on their way. Leaves it when the inner backend cannot be asked. */
export async function rebuildAgain(parts: RepairParts, stream: LedgerStream, round: string): Promise<void> {
  const isLost = await isThere(parts, stream).then(
    (isKept) => !isKept,
    () => false,
  )
  if (isLost) await rebuild(parts, stream, round)
}

/** For who is alone at it. @returns how many messages are on their way */
export async function rebuild(parts: RepairParts, stream: LedgerStream, round: string): Promise<number> {
  const { database, inner, logger } = parts
  const positions = await everything(parts, stream)
  const ranges = [...positions.ranges(RANGE)]
  const [firsts, lasts] = [ranges.map(({ first }) => first), ranges.map(({ last }) => last)]
  if (ranges.length > 0)
    await database.query('work', sendAgain(database.schema, stream.id, NOBODY, round, { firsts, lasts }))
  await inner.provision([innerDefinition(stream.definition)])
  if (positions.size > 0) {
    const fields = { stream: stream.definition.name, messages: positions.size }
    logger.log('warn', '[dual] a stream that the inner backend had lost is rebuilt', fields)
  }
  return positions.size
}

async function isThere({ inner }: RepairParts, { definition }: LedgerStream): Promise<boolean> {
  try {
    for await (const _ of inner.read({ stream: definition.name, filters: definition.subjects, from: 'last' })) break
    return true
  } catch (thrown) {
    if (isBusError(thrown, 'BUS_NOT_FOUND')) return false
    throw thrown
  }
}

/** That readers may see, and that is not on its way already. */
async function everything(parts: RepairParts, stream: LedgerStream): Promise<PositionSet> {
  const positions = new PositionSet()
  const waiting = await onTheirWay(parts.database, stream)
  const { last } = await endOf(parts.database, stream)
  for await (const { position } of ledgerRows(parts, stream, { after: 0, last }))
    if (!waiting.has(position)) positions.add(position)
  return positions
}
