/** Looks at the servers: what carries the promises of `guarantees.ts`, and what a strict bus refuses. Nothing is changed here. */
import type { Guarantee } from '../../../src/adapter.js'
import type { BusError } from '../../../src/errors.js'
import type { ResolvedStream } from '../../../src/topology.js'
import type { Connection } from '../connect/connection.js'
import type { JetStreamOptions } from '../connect/options.js'
import { soon } from '../connect/patience.js'
import { securityNote } from '../connect/server-version.js'
import { failure } from '../failure.js'
import type { Streams } from '../provision/streams.js'
import { guaranteesOf, type ObservedStream } from './guarantees.js'
import { observeSync, type SyncMode } from './sync-mode.js'

export interface Observed {
  readonly guarantees: readonly Guarantee[]
  /** Of the server that we are, or were last, connected to. */
  readonly version: string
  readonly sync: SyncMode
  /** Declared streams that the server has; none while it cannot be asked. */
  readonly streams: readonly ObservedStream[]
}

const NS_PER_MS = 1_000_000

/** Resolves when the connection is down too; what was not seen says `unknown`. */
export async function observe(connection: Connection, streams: Streams, options: JetStreamOptions): Promise<Observed> {
  const { version } = connection.server
  const [sync, seen] = await Promise.all([
    observeSync(connection, options),
    Promise.all(streams.all.map((stream) => look(connection, stream))),
  ])
  const found = seen.filter((stream) => stream !== undefined)
  return { guarantees: guaranteesOf(version, sync, found), version, sync, streams: found }
}

/** Throws `BUS_CONFIG` or `BUS_UNSUPPORTED` when what was seen does not carry what the streams ask for. For strict buses (JS-Y1, JSP-4). */
export async function assertStrict(connection: Connection, streams: Streams, options: JetStreamOptions): Promise<void> {
  const { sync, version, streams: seen } = await observe(connection, streams, options)
  const insecure = securityNote(version)
  if (insecure !== undefined) throw failure('connect', 'BUS_UNSUPPORTED', `strict refuses: ${insecure}`)
  for (const asked of streams.all) {
    const actual = seen.find(({ name }) => name === asked.name)
    if (actual === undefined)
      throw refused(asked, 'could not be looked at. Check that this user may ask for stream infos')
    if (actual.replicas < asked.replicas)
      throw refused(asked, `has ${actual.replicas} of ${asked.replicas} replicas. Add servers, or declare fewer`)
    if (asked.storage === 'file') assertSynced(asked, sync)
  }
}

/** With several replicas a power cut of one server loses nothing; with one, it loses all since the last sync. */
function assertSynced(asked: ResolvedStream, sync: SyncMode): void {
  if (sync.mode === 'unknown')
    throw refused(
      asked,
      'is to be kept in files, and when the servers sync them is unknown. Give monitorUrl or syncInterval',
    )
  if (sync.mode === 'interval' && asked.replicas === 1)
    throw refused(
      asked,
      `has one replica and the server syncs every ${sync.intervalMs} ms. Set sync_interval: always there`,
    )
}

function refused({ name }: ResolvedStream, problem: string): BusError {
  return failure('connect', 'BUS_CONFIG', `strict refuses: stream ${name} ${problem}`)
}

async function look(connection: Connection, { name }: ResolvedStream): Promise<ObservedStream | undefined> {
  if (!connection.isConnected) return undefined
  try {
    const { config } = await soon(connection, `look at stream ${name}`, connection.jsm.streams.info(name))
    return {
      name,
      storage: config.storage,
      replicas: config.num_replicas,
      discard: config.discard,
      hasLimits: config.max_age > 0 || config.max_msgs > 0 || config.max_bytes > 0,
      dedupWindowMs: config.duplicate_window / NS_PER_MS,
    }
  } catch {
    return undefined
  }
}
