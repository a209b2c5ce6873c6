/**
 * Mends one stream of the inner backend: makes it when it is gone, has the missing messages sent again, takes in foreign ones when asked
 * to. What is begun is in the outbox and goes on when this process ends. What is missing is decided by `sweep.ts`.
 */
import type { Clock } from '../../../src/clock.js'
import { BusError } from '../../../src/errors.js'
import type { RepairOptions, RepairReport, VerifyReport } from '../../../src/ledger.js'
import type { Logger } from '../../../src/logger.js'
import { ledgerError } from '../database/pg-failure.js'
import { type StillToSend, stillToSend } from '../sql/still-to-send.js'
import type { LedgerStream } from '../streams.js'
import { skip } from './ahead.js'
import { importForeign } from './import-foreign.js'
import { whileAlone } from './locks.js'
import { rebuild, rebuildAgain } from './rebuild.js'
import { newRound, Resend } from './resend.js'
import { type Sweep, type SweepParts, sweep } from './sweep.js'

const PATIENCE_MS = 30_000
const LOOK_MS = 50
/** Nothing has arrived for so long: the stream may be gone. Who waits here is alone at it, so nobody else can make it again. */
const DOUBT_MS = 500

export interface RepairParts extends SweepParts {
  readonly clock: Clock
  readonly logger: Logger
  readonly relay: { nudge(streamId?: number): void }
  /** Messages a second. */
  readonly repairRate: number
}

/** Throws `BUS_UNAVAILABLE` when the ledger or the inner backend cannot be read. */
export async function verifyStream(parts: SweepParts, stream: LedgerStream): Promise<VerifyReport> {
  try {
    return (await sweep(parts, stream)).report
  } catch (thrown) {
    throw ledgerError(`verify stream ${stream.definition.name}`, thrown)
  }
}

/**
 * Resolves with what was found before, and what was done about it.
 * @throws BusError `BUS_CONFLICT` when another repair of the stream is under way; `BUS_UNAVAILABLE` when a backend cannot be reached, or
 *   nothing of what was sent arrives for 30 s
 */
export async function repairStream(
  parts: RepairParts,
  stream: LedgerStream,
  { dryRun = false, importForeign: isImporting = false }: RepairOptions,
): Promise<RepairReport> {
  const { database, clock } = parts
  const began = clock.monotonic()
  const report = ({ report: found }: Sweep, done: Done): RepairReport => ({
    ...found,
    ...done,
    tookMs: Math.round(clock.monotonic() - began),
  })
  try {
    if (dryRun) return report(await sweep(parts, stream), NOTHING)
    return await whileAlone(database, stream, clock, async () => {
      const found = await sweep(parts, stream)
      return report(found, await mend(parts, stream, found, isImporting))
    })
  } catch (thrown) {
    throw ledgerError(`repair stream ${stream.definition.name}`, thrown)
  }
}

interface Done {
  readonly republished: number
  readonly imported: number
}

const NOTHING: Done = { republished: 0, imported: 0 }

async function mend(parts: RepairParts, stream: LedgerStream, found: Sweep, isImporting: boolean): Promise<Done> {
  const { relay } = parts
  const round = newRound(parts)
  await skip(parts, stream, found.beyond)
  const republished = await sendMissing(parts, stream, found, round)
  const imported = isImporting && found.foreign.length > 0 ? await importForeign(parts, stream, found.foreign) : 0
  relay.nudge(stream.id)
  if (republished > 0) await sent(parts, stream, round)
  return { republished, imported }
}

/** @returns how many messages are on their way now */
async function sendMissing(parts: RepairParts, stream: LedgerStream, found: Sweep, round: string): Promise<number> {
  if (!found.isThere) return await rebuild(parts, stream, round)
  return found.missing.size > 0 ? await new Resend(parts, stream, found.missing).send(round) : 0
}

/** Resolves when the inner backend has everything of this round. */
async function sent(parts: RepairParts, stream: LedgerStream, round: string): Promise<void> {
  const { database, clock, closing } = parts
  const what = `repair stream ${stream.definition.name}`
  let [left, since] = [Number.POSITIVE_INFINITY, clock.monotonic()]
  let lookedAt = since
  for (;;) {
    const rows = await database.query<StillToSend>('work', stillToSend(database.schema, stream.id, round))
    const ranges = rows[0]?.ranges ?? 0
    if (ranges === 0) return
    if (ranges < left) [left, since] = [ranges, clock.monotonic()]
    if (clock.monotonic() - Math.max(since, lookedAt) > DOUBT_MS) {
      await rebuildAgain(parts, stream, round)
      lookedAt = clock.monotonic()
    }
    if (closing.aborted)
      throw new BusError('BUS_CLOSED', `[dual] ${what}: the adapter was closed; others go on with it`)
    if (clock.monotonic() - since > PATIENCE_MS)
      throw new BusError(
        'BUS_UNAVAILABLE',
        `[dual] ${what}: the inner backend took nothing for ${PATIENCE_MS / 1000} s. Look whether it is well; the rest is sent when it is`,
      )
    await new Promise<void>((resolve) => void clock.timer(LOOK_MS, resolve))
  }
}
