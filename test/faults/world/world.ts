/**
 * Everything that a fault run runs on: servers, a link for each client to each of them, client processes, and the controller's own history.
 * What is broken when is told by `faults/`; what is there in the end is read by `state.ts`.
 */
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { Client } from 'pg'
import type { ControlEvent, GroupRules, StateEvent } from '../../../testing/history/event.js'
import { HistoryFile } from '../../../testing/history/recorder.js'
import type { VersionLine } from '../../servers/nats-binary.js'
import { type NatsCluster, startNatsCluster } from '../../servers/nats-cluster.js'
import { type NatsServer, startNats } from '../../servers/nats-server.js'
import { type PgPooler, startPgPooler } from '../../servers/pg-pooler.js'
import { type PostgresServer, startPostgres } from '../../servers/postgres.js'
import { type Backend, EFFECTS, POISONED } from '../client/setting.js'
import { ClientProcess } from './client-process.js'
import { type Disks, disksFor } from './disks.js'
import { Links } from './links.js'
import { Routes } from './routes.js'

export interface WorldOptions {
  /** Of the run, and the name of its folder. */
  readonly run: string
  readonly folder: string
  readonly adapter: Backend['adapter']
  readonly seed: number
  /** Default 1; 3 makes a cluster, and three replicas. */
  readonly nodes?: 1 | 3
  readonly version?: VersionLine
  readonly syncInterval?: string
  readonly ackWaitMs?: number
  readonly leaseMs?: number
  /** One of `broken/`. */
  readonly broken?: string
  /** A database although the adapter has none: for what is broken so that it writes to both. Default false. */
  readonly besideDatabase?: boolean
  /** A pooler in transaction mode stands before PostgreSQL. Its sessions do not survive the server. Default false. */
  readonly pooler?: boolean
  /** A disk of its own for each server, which can lose its power and be full. Default false. */
  readonly disks?: boolean
  /** An account whose limits can be changed while the server runs; one node only. Default false. */
  readonly accounts?: boolean
}

const SCHEMA = 'busbar'
/** Of messages that never end well: attempts, and the longest time of one. */
const QUICK_TO_DIE = { attempts: 3, timeout_ms: 2000 } as const
const CONCURRENCY = 16
/** Of the pooler with the server. */
const SESSIONS = 12
const DEDUP_WINDOW_MS = 120_000
const NO_DISKS: Disks = { nats: [], postgres: undefined, lacking: 'its servers have no disks of their own' }

export class World {
  readonly options: WorldOptions
  readonly groups: readonly GroupRules[]
  readonly nats: readonly NatsServer[]
  readonly cluster: NatsCluster | undefined
  readonly routes: Routes
  readonly postgres: PostgresServer | undefined
  readonly pooler: PgPooler | undefined
  readonly disks: Disks
  readonly clients: ClientProcess[] = []
  readonly #history: HistoryFile
  readonly #links = new Map<string, Links>()
  #faults = 0

  static async start(options: WorldOptions): Promise<World> {
    await mkdir(options.folder, { recursive: true })
    const history = await HistoryFile.open(join(options.folder, 'control.jsonl'), { run: options.run, proc: 'control' })
    const routes = new Routes()
    const cluster =
      options.nodes === 3
        ? await startNatsCluster({ ...natsOptions(options), advertise: false, routeVia: routes.via })
        : undefined
    const nats = options.adapter === 'memory' ? [] : (cluster?.nodes ?? [await startNats(natsOptions(options))])
    const hasLedger = options.adapter === 'dual'
    const postgres = hasLedger || options.besideDatabase === true ? await startPostgres() : undefined
    const pooler = postgres && options.pooler === true ? await startPgPooler(postgres.port, SESSIONS) : undefined
    const disks = options.disks === true ? await disksFor(nats, postgres) : NO_DISKS
    await cluster?.ready()
    const world = new World(options, history, { nats, cluster, routes, postgres, pooler, disks })
    if (hasLedger) await world.#createEffects()
    return world
  }

  private constructor(
    options: WorldOptions,
    history: HistoryFile,
    servers: Pick<World, 'nats' | 'cluster' | 'routes' | 'postgres' | 'pooler' | 'disks'>,
  ) {
    this.options = options
    this.#history = history
    this.nats = servers.nats
    this.cluster = servers.cluster
    this.routes = servers.routes
    this.postgres = servers.postgres
    this.pooler = servers.pooler
    this.disks = servers.disks
    this.groups = groupsOf(options)
    this.note({
      ev: 'config',
      adapter: options.adapter,
      groups: this.groups,
      dedup_window_ms: DEDUP_WINDOW_MS,
      versions: this.versions,
      settings: { nodes: options.nodes ?? 1, sync_interval: options.syncInterval ?? 'default' },
    })
  }

  get versions(): Readonly<Record<string, string>> {
    const [nats] = this.nats
    return {
      node: process.versions.node,
      ...(nats && { 'nats-server': nats.version }),
      ...(this.postgres && { postgresql: this.postgres.version }),
    }
  }

  note(event: ControlEvent | StateEvent): void {
    this.#history.note(event)
  }

  /** Starts a process in a role; under memory one process does everything. */
  async startClient(proc: string, role: 'producer' | 'worker' | 'both'): Promise<ClientProcess> {
    const links = this.#links.get(proc) ?? (await Links.open(this.nats, this.pooler ?? this.postgres))
    this.#links.set(proc, links)
    const { run, folder, seed } = this.options
    const client = await ClientProcess.start({
      run,
      proc,
      folder,
      backend: this.#backend(links),
      groups: role === 'producer' ? [] : this.groups,
      seed: seed * 1000 + this.clients.length,
      concurrency: CONCURRENCY,
    })
    this.clients.push(client)
    return client
  }

  /** Those that live, by the beginning of their role. */
  living(role = ''): ClientProcess[] {
    return this.clients.filter((client) => !client.isOver && client.proc.startsWith(role))
  }

  linksOf(proc: string): Links {
    const links = this.#links.get(proc)
    if (links === undefined) throw new Error(`no process ${proc} has ever been started`)
    return links
  }

  get allLinks(): readonly Links[] {
    return [...this.#links.values()]
  }

  /** Runs `during` as one fault of the history. */
  async fault<Result>(kind: string, target: string, during: () => Promise<Result>): Promise<Result> {
    const id = `${++this.#faults}`
    this.note({ ev: 'fault.begin', id, kind, target })
    try {
      return await during()
    } finally {
      this.note({ ev: 'fault.end', id })
    }
  }

  /** Straight to the server, past all links. */
  async sql<Row>(text: string, values: readonly unknown[] = []): Promise<Row[]> {
    const client = new Client({ connectionString: this.postgres?.url ?? '' })
    client.on('error', () => {})
    await client.connect()
    try {
      const { rows } = await client.query(text.replaceAll('%', SCHEMA), [...values])
      return rows
    } finally {
      await client.end()
    }
  }

  /** The history is complete; nothing is left running. */
  async stop(): Promise<void> {
    await Promise.all(this.clients.map((client) => client.kill()))
    await Promise.all([...this.#links.values()].map((links) => links.stop()))
    await this.pooler?.stop()
    await Promise.all([...this.disks.nats, this.disks.postgres].map((disk) => disk?.remove()))
    await this.cluster?.stop()
    await this.routes.stop()
    await Promise.all([...this.nats.map((node) => node.stop()), this.postgres?.stop()])
    await this.#history.close()
  }

  #backend(links: Links): Backend {
    const { adapter, nodes, syncInterval, leaseMs, pooler, broken } = this.options
    return {
      adapter,
      servers: links.natsUrls,
      ...(links.postgresUrl !== undefined && { connection: links.postgresUrl, schema: SCHEMA }),
      ...(nodes === 3 && { replicas: 3 }),
      ...(syncInterval === 'always' && { syncAlways: true }),
      ...(leaseMs !== undefined && { leaseMs }),
      ...(pooler === true && { pooler }),
      ...(broken !== undefined && { broken }),
    }
  }

  async #createEffects(): Promise<void> {
    await this.sql(`create schema ${EFFECTS}`)
    await this.sql(`create table ${EFFECTS}.effects (
      n bigint generated always as identity, consumer text not null, id text not null, attempt int not null, owner text not null)`)
  }
}

function natsOptions({ version, syncInterval, accounts }: WorldOptions) {
  return {
    ...(version !== undefined && { version }),
    ...(syncInterval !== undefined && { syncInterval }),
    ...(accounts === true && { systemAccount: true }),
  }
}

/**
 * One that keeps keys in order and writes effects, one that takes everything in any order, one that keeps keys in order without effects, and one
 * for messages that harm their handlers.
 */
function groupsOf({ adapter, ackWaitMs = 3000 }: WorldOptions): GroupRules[] {
  const common = { attempts: 8, backoff_ms: [50, 150, 300], ack_wait_ms: ackWaitMs } as const
  const transactional = adapter === 'dual'
  return [
    { group: 'billing', order: 'key', transactional, prefix: 'orders.us.', ...common },
    { group: 'audit', order: 'none', transactional: false, ...common },
    { group: 'europe', order: 'key', transactional: false, prefix: 'orders.eu.', ...common },
    { group: 'poisoned', order: 'key', transactional: false, prefix: POISONED, ...common, ...QUICK_TO_DIE },
  ]
}
