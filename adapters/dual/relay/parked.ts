/**
 * Messages of one stream that the inner backend refuses for what they are, so that repeating them at once is of no use: too large for it, since
 * its limit was lowered there. They are put aside, and with them what comes later of their keys; everything else goes on.
 */
import type { PublishOutcome } from '../../../src/adapter.js'
import type { BusErrorCode } from '../../../src/errors.js'
import type { Outgoing } from '../../../src/message.js'
import type { Database } from '../database/database.js'
import { toStored } from '../ledger-row.js'
import * as sql from '../sql/parked.js'
import { toInner } from '../stamp.js'
import type { LedgerStream } from '../streams.js'

const AT_ONCE = 100
const OF_THE_MESSAGE: ReadonlySet<BusErrorCode> = new Set([
  'BUS_TOO_LARGE',
  'BUS_INVALID_MESSAGE',
  'BUS_INVALID_SUBJECT',
  'BUS_ID_CONFLICT',
])

type Publish = (
  messages: readonly Outgoing[],
) => readonly PublishOutcome[] | undefined | Promise<readonly PublishOutcome[] | undefined>

/** It will be refused again, whatever happens to the backend's connection. */
export function isRefused(outcome: PublishOutcome | undefined): boolean {
  return outcome?.status === 'rejected' && OF_THE_MESSAGE.has(outcome.error.code)
}

export class Parked {
  readonly #database: Database
  readonly #stream: LedgerStream

  constructor(database: Database, stream: LedgerStream) {
    this.#database = database
    this.#stream = stream
  }

  /** Whose messages must wait. */
  async keys(): Promise<Set<string>> {
    const rows = await this.#database.query<{ key: string }>('work', sql.parkedKeys(...this.#place()))
    return new Set(rows.map(({ key }) => key))
  }

  async add(messages: readonly sql.Parking[], round: string): Promise<void> {
    if (messages.length > 0) await this.#database.query('work', sql.park(...this.#place(), messages, round))
  }

  /** Tries those whose turn it is, and after each the next one of its key. */
  async retry(publish: Publish): Promise<void> {
    for (;;) {
      const rows = await this.#database.query<sql.DueMessage>('work', sql.takeParked(...this.#place(), AT_ONCE))
      const kept = rows.filter(({ position }) => position !== null)
      const messages = kept.map((row) => {
        const message = toStored(this.#stream.definition.name, row)
        return toInner(message, { position: message.sequence, timeMs: message.time, isAgain: true }, row.round)
      })
      const outcomes = messages.length === 0 ? [] : ((await publish(messages)) ?? [])
      const taken = kept.filter((_, at) => outcomes[at]?.status === 'accepted')
      const done = [...rows.filter((row) => !kept.includes(row)), ...taken].map(({ parked }) => Number(parked))
      if (done.length === 0) return
      await this.#database.query('work', sql.unpark(...this.#place(), done))
    }
  }

  #place(): [schema: string, stream: number] {
    return [this.#database.schema, this.#stream.id]
  }
}
