/**
 * The servers of a run: each is started when a contender first asks for it, and all are stopped together. A process that measures for
 * another one is given the addresses of those that run already.
 */
import { resolve } from 'node:path'
import { findNatsBinary } from '../test/servers/nats-binary.js'
import { startNatsCluster } from '../test/servers/nats-cluster.js'
import { fromDebian } from '../test/servers/nats-debian.js'
import { fromGitHub } from '../test/servers/nats-release.js'
import { startNats } from '../test/servers/nats-server.js'
import { startPostgres } from '../test/servers/postgres.js'
import { startRedis } from './redis.js'

/** One nats-server with its default of a sync every two minutes, one that syncs always, and three as a cluster; the rest with the settings they come with. */
export type ServerKind = keyof typeof starts

export interface Address {
  /** Of a cluster: several, separated by commas. */
  readonly url: string
  readonly version: string
}

interface Running extends Address {
  stop(): Promise<unknown>
}

const starts = {
  nats: () => startOneNats(),
  'nats-always': () => startOneNats({ syncInterval: 'always' }),
  'nats-cluster': async (): Promise<Running> => {
    await findBinary()
    const cluster = await startNatsCluster({ version: '2.15' })
    const version = cluster.nodes[0]?.version ?? 'unknown'
    return { url: cluster.urls.join(','), version, stop: () => cluster.stop() }
  },
  postgres: (): Promise<Running> => startPostgres(),
  redis: (): Promise<Running> => startRedis(),
} as const

/** Addresses of servers that somebody else stops, as JSON by kind. */
export const GIVEN = 'BUSBAR_BENCH_SERVERS'
const given: Partial<Record<ServerKind, Address>> = JSON.parse(process.env[GIVEN] ?? '{}')

const running = new Map<ServerKind, Promise<Running>>()
const closers: (() => Promise<unknown>)[] = []

export async function server(kind: ServerKind): Promise<Address> {
  const known = given[kind]
  if (known !== undefined) return known
  const started = running.get(kind) ?? starts[kind]()
  running.set(kind, started)
  return await started
}

/** Of all that run now, and of those that were given. */
export async function addresses(): Promise<Partial<Record<ServerKind, Address>>> {
  const all: Partial<Record<ServerKind, Address>> = { ...given }
  for (const [kind, started] of running) {
    const { url, version } = await started
    all[kind] = { url, version }
  }
  return all
}

/** To be done while the servers still run. */
export function beforeStop(close: () => Promise<unknown>): void {
  closers.push(close)
}

/** Nothing happens when none was started. */
export async function stopServers(): Promise<void> {
  for (const close of closers.splice(0)) await close()
  const all = [...running.values()]
  running.clear()
  // One that did not start has told so already, and has nothing to stop.
  for (const started of await Promise.allSettled(all)) if (started.status === 'fulfilled') await started.value.stop()
}

async function startOneNats(options: { readonly syncInterval?: string } = {}): Promise<Running> {
  await findBinary()
  return await startNats({ version: '2.15', ...options })
}

/** What is compiled lies elsewhere, and would look for a cache of its own. */
async function findBinary(): Promise<void> {
  const { path } = await findNatsBinary('2.15', {
    environment: process.env,
    cache: resolve('.cache/nats-server'),
    sources: [
      ['Debian packages', fromDebian],
      ['the release on GitHub', fromGitHub],
    ],
  })
  process.env.NATS_SERVER_BIN = path
}
