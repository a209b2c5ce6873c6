/** Finds out whether a transaction was committed whose COMMIT got no answer (PG-U1). */
import type { Clock } from '../../../src/clock.js'
import { BusError } from '../../../src/errors.js'
import { type TransactionStatus, transactionStatus } from '../sql/transaction-status.js'
import type { Database } from './database.js'

const GIVE_UP_MS = 5000
const PAUSE_MS = 50

/**
 * Asks until the server knows.
 * @throws BusError `BUS_TIMEOUT`, not retryable, when it cannot be asked for 5 s, or does not know
 */
export async function wasCommitted(database: Database, clock: Clock, xid: string): Promise<boolean> {
  const giveUpAt = clock.monotonic() + GIVE_UP_MS
  for (;;) {
    const status = await statusOf(database, xid)
    if (status === 'committed' || status === 'aborted') return status === 'committed'
    if (status === null || clock.monotonic() >= giveUpAt) throw unknown(database.trouble)
    await new Promise<void>((resolve) => void clock.timer(PAUSE_MS, resolve))
  }
}

async function statusOf(database: Database, xid: string): Promise<TransactionStatus['status'] | undefined> {
  try {
    return (await database.query<TransactionStatus>('work', transactionStatus(xid)))[0]?.status
  } catch {
    return undefined
  }
}

function unknown(trouble: string): BusError {
  const why = trouble === '' ? '' : ` (${trouble})`
  return new BusError(
    'BUS_TIMEOUT',
    `[dual] commit: the connection was lost before PostgreSQL answered${why}, and the transaction may be committed. Look for what it wrote before you do it again`,
    { retryable: false },
  )
}
