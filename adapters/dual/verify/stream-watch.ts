/**
 * Watches one stream: looks cheaply each time, compares everything when something is suspicious, mends it or tells. A suspicion that came to
 * nothing, or that only a person can end, is followed up less and less often.
 */
import type { StreamReport } from '../../../src/adapter.js'
import { isBusError } from '../../../src/errors.js'
import type { VerifyReport } from '../../../src/ledger.js'
import { type InnerMark, markInner } from '../sql/inner-marks.js'
import type { LedgerStream } from '../streams.js'
import { isAhead, skippedOf } from './ahead.js'
import { type RepairParts, repairStream, verifyStream } from './repair.js'
import { countSuspicion, placeSuspicion, type Suspicion, sampleSuspicion } from './suspicion.js'

/** Comparisons between two follow-ups of a suspicion that stays, at most. */
const RARELY = 30

export interface StreamWatchParts extends RepairParts {
  /** What follows from a difference. */
  readonly repair: 'auto' | 'report'
}

export class StreamWatch {
  readonly #parts: StreamWatchParts
  readonly #stream: LedgerStream
  /** Stretches of positions that the ledger had skipped when everything was compared, or at the first look. */
  #skipped: number | undefined
  #suspicion: Suspicion | undefined
  /** Comparisons until the same suspicion is followed up again. */
  #quiet = 0
  #pause = 1
  /** For `health()`; `''` when all is well. */
  note = ''
  /** A consumer misses something. */
  isSuspected = false

  constructor(parts: StreamWatchParts, stream: LedgerStream) {
    this.#parts = parts
    this.#stream = stream
  }

  /** @param report undefined when the inner backend has no such stream */
  async compare(mark: InnerMark, report: StreamReport | undefined): Promise<void> {
    const suspicion = await this.#look(mark, report)
    if (this.#quiet > 0) this.#quiet--
    const isNews = suspicion !== undefined && suspicion !== this.#suspicion
    const isDue = this.#quiet === 0 && (suspicion !== undefined || this.note !== '')
    if (isNews || isDue) return this.#followUp(mark, suspicion)
    // Samples suspect at random: that one of them finds nothing says nothing.
    if (suspicion === undefined && this.note === '' && this.#suspicion !== 'hole') this.#suspicion = undefined
    if (suspicion === undefined && report !== undefined) await this.#remember(mark, report, false)
  }

  async #look(mark: InnerMark, report: StreamReport | undefined): Promise<Suspicion | undefined> {
    const place = placeSuspicion(mark, report)
    const isSuspected = this.isSuspected
    this.isSuspected = false
    if (place !== undefined || report === undefined) return place
    if (isSuspected) return 'hole'
    if (await this.#isAhead()) return 'ahead'
    const fewer = await countSuspicion(this.#parts, this.#stream)
    if (fewer !== undefined) return fewer
    // Where consumers empty a stream, the neighbours of a message are gone for good reasons.
    const { retention } = this.#stream.definition
    return retention === 'limits' ? sampleSuspicion(this.#parts, this.#stream, report) : undefined
  }

  /** Where the ledger skipped positions since the last look, its server may have lost rows, wherever their copies lie by now. */
  async #isAhead(): Promise<boolean> {
    const seen = await isAhead(this.#parts, this.#stream)
    const { length } = await skippedOf(this.#parts.database, this.#stream)
    this.#skipped ??= length
    return seen || length > this.#skipped
  }

  async #followUp(mark: InnerMark, suspicion: Suspicion | undefined): Promise<void> {
    this.#pause = suspicion === this.#suspicion || this.note !== '' ? Math.min(RARELY, 2 * this.#pause) : 1
    this.#suspicion = suspicion
    this.#quiet = this.#pause
    const found = await this.#mend()
    if (found === undefined) return
    this.#skipped = undefined
    this.note = noteOf(found)
    if (found.missing > 0) return
    const { inner } = this.#parts
    const report = (await inner.inspect()).streams.find(({ name }) => name === this.#stream.definition.name)
    if (report !== undefined) await this.#remember(mark, report, true)
  }

  /** What is still different afterwards; undefined when another process is at it. */
  async #mend(): Promise<VerifyReport | undefined> {
    const { repair, logger } = this.#parts
    if (repair === 'report') return verifyStream(this.#parts, this.#stream)
    try {
      const found = await repairStream(this.#parts, this.#stream, {})
      const { stream, missing, republished, tookMs } = found
      if (missing > 0)
        logger.log('warn', '[dual] messages that the inner backend had lost were sent again', {
          stream,
          missing,
          republished,
          tookMs,
        })
      return { ...found, missing: 0, isSame: found.foreign === 0 }
    } catch (thrown) {
      if (isBusError(thrown, 'BUS_CONFLICT') && thrown.retryable) return undefined
      throw thrown
    }
  }

  async #remember({ id, generation, high }: InnerMark, report: StreamReport, isNew: boolean): Promise<void> {
    const seen = report.generation ?? null
    if (seen === generation && report.lastSequence === high) return
    const { database } = this.#parts
    const mark = { id, generation: seen, high: report.lastSequence }
    await database.query('work', markInner(database.schema, mark, isNew))
  }
}

function noteOf({ stream, missing, foreign }: VerifyReport): string {
  const at = `[dual] stream ${stream}:`
  if (missing > 0)
    return `${at} ${messages(missing)} missing in the inner backend. Run: busbar repair --stream ${stream}`
  if (foreign > 0)
    return `${at} ${messages(foreign)} in the inner backend only. Run: busbar repair --stream ${stream} --import`
  return ''
}

function messages(count: number): string {
  return count === 1 ? '1 message is' : `${count.toLocaleString('en-US')} messages are`
}
