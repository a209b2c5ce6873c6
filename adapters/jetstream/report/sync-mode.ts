/**
 * When the servers write to disk what they have acknowledged (`sync_interval`, JS-Y1). No client account can ask for it: it is seen at the
 * monitoring endpoint, by a system request where that is permitted, or declared by the operator; else it is unknown.
 */
import type { Timer } from '../../../src/clock.js'
import { durationMs } from '../../../src/duration.js'
import type { Connection } from '../connect/connection.js'
import type { JetStreamOptions } from '../connect/options.js'

export interface SyncMode {
  readonly mode: 'always' | 'interval' | 'unknown'
  /** How much time of acknowledged messages a power cut can take: 0 for `always`, undefined when unknown. */
  readonly intervalMs: number | undefined
  readonly source: 'monitoring' | 'system' | 'declared' | 'none'
}

const UNKNOWN: SyncMode = { mode: 'unknown', intervalMs: undefined, source: 'none' }
const SYSTEM_SUBJECT = '$SYS.REQ.SERVER.PING.VARZ'
const MONITOR_MS = 2000
const SYSTEM_MS = 1000
/** `health()` may be asked every second, and an endpoint may be down for a while. */
const ASK_AGAIN_MS = 60_000
const NS_PER_MS = 1_000_000

interface Remembered {
  readonly serverId: string
  readonly until: number
  readonly sync: SyncMode
}

const remembered = new WeakMap<Connection, Remembered>()

/** Never rejects. What was seen is worth more than what was declared. */
export async function observeSync(connection: Connection, options: JetStreamOptions): Promise<SyncMode> {
  if (!connection.isConnected) return remembered.get(connection)?.sync ?? declared(options)
  const { clock } = connection.host
  const known = remembered.get(connection)
  const serverId = connection.server.server_id
  if (known?.serverId === serverId && clock.monotonic() < known.until) return known.sync
  const sync = (await byMonitoring(connection, options)) ?? (await bySystem(connection)) ?? declared(options)
  // It changes only when a server restarts, and the server then has another id.
  const mayBeSeenLater = options.monitorUrl !== undefined && (sync.source === 'none' || sync.source === 'declared')
  const until = mayBeSeenLater ? clock.monotonic() + ASK_AGAIN_MS : Number.POSITIVE_INFINITY
  remembered.set(connection, { serverId, until, sync })
  return sync
}

/** Whether each publish is a sync of its own, as far as the operator helps to know. Never rejects. */
export async function syncsAlways(connection: Connection, options: JetStreamOptions): Promise<boolean> {
  const { mode } = options.monitorUrl === undefined ? declared(options) : await observeSync(connection, options)
  return mode === 'always'
}

export function describeSync({ mode, intervalMs, source }: SyncMode): string {
  if (mode === 'unknown') return 'sync_interval unknown (give monitorUrl or syncInterval)'
  const what = mode === 'always' ? 'sync_interval always' : `sync_interval ${intervalMs} ms`
  return `${what} (${source === 'declared' ? 'declared by the operator' : `seen by ${source}`})`
}

function declared({ syncInterval }: JetStreamOptions): SyncMode {
  if (syncInterval === undefined) return UNKNOWN
  if (syncInterval === 'always') return { mode: 'always', intervalMs: 0, source: 'declared' }
  return { mode: 'interval', intervalMs: durationMs('syncInterval', syncInterval), source: 'declared' }
}

/** What a server says of itself, as far as we read it. */
interface Varz {
  readonly server_id?: unknown
  readonly cluster?: { readonly name?: unknown }
  readonly jetstream?: { readonly config?: { readonly sync_interval?: unknown; readonly sync_always?: unknown } }
}

async function byMonitoring(connection: Connection, { monitorUrl }: JetStreamOptions): Promise<SyncMode | undefined> {
  if (monitorUrl === undefined) return undefined
  const limit = new AbortController()
  const timer: Timer = connection.host.clock.timer(MONITOR_MS, () => limit.abort(), { ref: false })
  try {
    const response = await fetch(new URL('/varz', monitorUrl), { signal: limit.signal })
    const varz = (await response.json()) as Varz
    return isOurs(varz, connection) ? weakest([varz], 'monitoring') : undefined
  } catch {
    return undefined
  } finally {
    timer.cancel()
  }
}

/** An endpoint of other servers says nothing about these. */
function isOurs({ server_id, cluster }: Varz, { server }: Connection): boolean {
  return server_id === server.server_id || (server.cluster !== undefined && cluster?.name === server.cluster)
}

async function bySystem({ nats }: Connection): Promise<SyncMode | undefined> {
  const answers: Varz[] = []
  try {
    const options = { maxWait: SYSTEM_MS, strategy: 'stall', maxMessages: -1 } as const
    for await (const answer of await nats.requestMany(SYSTEM_SUBJECT, '', options))
      answers.push(answer.json<{ data?: Varz }>().data ?? {})
  } catch {
    // Refused, or nobody answers: this account may not ask.
  }
  return weakest(answers, 'system')
}

/** One server that syncs late is enough to lose what it alone has acknowledged. */
function weakest(answers: readonly Varz[], source: SyncMode['source']): SyncMode | undefined {
  const intervals = answers.map(intervalOf).filter((ms) => ms !== undefined)
  if (intervals.length === 0) return undefined
  const intervalMs = Math.max(...intervals)
  return { mode: intervalMs === 0 ? 'always' : 'interval', intervalMs, source }
}

/** Servers print an interval beside `sync_always`, and then do not mean it. */
function intervalOf({ jetstream }: Varz): number | undefined {
  const { sync_always, sync_interval } = jetstream?.config ?? {}
  if (sync_always === true) return 0
  return typeof sync_interval === 'number' ? sync_interval / NS_PER_MS : undefined
}
