/** Refuses what a backend has declared that it cannot do, before anything happens. */
import type { Adapter, Capabilities } from './adapter.js'
import { BusError } from './errors.js'

/** What a call can need, in words for its error. */
const NEEDS = {
  live: 'live messages',
  request: 'request and respond',
  remove: 'removing stored messages',
  delayedPublish: 'delayed publish',
  lastPerSubject: "from: 'last-per-subject'",
  originalReplay: "replay: 'original'",
  transactions: 'a ledger (ctx.tx, transaction, verify, repair, history)',
} as const satisfies Partial<Record<keyof Capabilities, string>>

/** Throws `BUS_UNSUPPORTED`. */
export function assertSupported(adapter: Adapter, capability: keyof typeof NEEDS): void {
  if (adapter.supports[capability]) return
  throw new BusError(
    'BUS_UNSUPPORTED',
    `[${adapter.name}] this backend does not have ${NEEDS[capability]}. Do without, or choose another backend`,
  )
}
