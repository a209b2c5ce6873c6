/** Three throw-away nats-servers as one JetStream cluster, which can lose nodes one at a time. A single node's life is in `nats-server.ts`. */
import { randomUUID } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import { type NatsOptions, type NatsServer, startNats } from './nats-server.js'
import { freePorts } from './ports.js'

const SIZE = 3
const POLL_MS = 50
/** Nobody listens there. */
const NOWHERE = '127.0.0.1:1'
/** A node that is paused accepts connections and does not answer. */
const ANSWER_WITHIN_MS = 1_000
/** Elections take 4 to 9 s when the leader dies without a word. */
const AGREE_WITHIN_MS = 40_000
/** What nodes that find each other take a few seconds for. */
const FIRST_WITHIN_MS = 15_000

export interface NatsCluster {
  readonly nodes: readonly NatsServer[]
  /** Of all nodes, in the order of `nodes`. */
  readonly urls: readonly string[]
  /** Resolves when every node is up, knows the same meta leader, and has caught up. */
  ready(): Promise<void>
  /** The node that leads the stream; waits for the election when there is none. The name is looked for in every account. */
  leaderOf(stream: string): Promise<NatsServer>
  /** The node that leads the cluster itself; waits for the election when there is none. */
  metaLeader(): Promise<NatsServer>
  /** Stops and starts one node after the other, each time waiting until the cluster is ready again. */
  rollingRestart(): Promise<void>
  stop(): Promise<void>
}

export interface NatsClusterOptions extends Omit<NatsOptions, 'name' | 'port'> {
  /** Tell clients of the other nodes. Default true; false keeps them on the links that they were given. */
  readonly advertise?: boolean
  /** The port by which one node (by its place in `nodes`) reaches the route port of another, such as a proxy's. Default: that port itself. */
  readonly routeVia?: (from: number, to: number, port: number) => Promise<number>
}

/**
 * Resolves when the cluster is ready. `options` hold for each node. Three nodes that do not agree soon are started once more: seen once, on 2.10,
 * and why is not known.
 */
export async function startNatsCluster(options: NatsClusterOptions = {}): Promise<NatsCluster> {
  return await startOnce(FIRST_WITHIN_MS, options).catch(() => startOnce(AGREE_WITHIN_MS, options))
}

async function startOnce(
  withinMs: number,
  { advertise = true, routeVia, ...options }: NatsClusterOptions,
): Promise<NatsCluster> {
  const name = `busbar-${randomUUID()}`
  const routePorts = await freePorts(SIZE)
  // A node that told of others by their own ports would lead routes past what stands between them.
  const told = routeVia === undefined ? '' : `advertise: "${NOWHERE}",`
  const started = await Promise.allSettled(
    routePorts.map(async (port, index) => {
      const routes = await routesOf(index, routePorts, routeVia)
      const place = `listen: 127.0.0.1:${port}, ${told} routes: [${routes}]`
      const cluster = `cluster { name: ${name}, no_advertise: ${!advertise}, ${place} }`
      return startNats({ ...options, name: `node-${index + 1}`, config: `${options.config ?? ''}\n${cluster}` })
    }),
  )
  const nodes = started.flatMap((node) => (node.status === 'fulfilled' ? [node.value] : []))
  const cluster = new ThrowAwayCluster(nodes)
  try {
    for (const node of started) if (node.status === 'rejected') throw node.reason
    await cluster.ready(withinMs)
  } catch (error) {
    await cluster.stop()
    throw error
  }
  return cluster
}

/** A node is among its own routes: the first election waits for as many nodes as there are. */
async function routesOf(from: number, ports: readonly number[], via: NatsClusterOptions['routeVia']): Promise<string> {
  const routes = await Promise.all(
    ports.map((port, to) => (via === undefined || to === from ? port : via(from, to, port))),
  )
  return routes.map((port) => `nats://127.0.0.1:${port}`).join(', ')
}

class ThrowAwayCluster implements NatsCluster {
  readonly nodes: readonly NatsServer[]

  constructor(nodes: readonly NatsServer[]) {
    this.nodes = nodes
  }

  get urls(): string[] {
    return this.nodes.map(({ url }) => url)
  }

  async ready(withinMs = AGREE_WITHIN_MS): Promise<void> {
    await agreed(
      'a cluster with one meta leader and every node healthy',
      async () => {
        const views = await Promise.all(this.nodes.map(metaOf))
        const [first] = views
        const isOne = views.every((view) => view?.leader === first?.leader && view?.cluster_size === SIZE)
        if (first?.leader === undefined || !isOne) return undefined
        const healthy = await Promise.all(this.nodes.map((node) => ask(node, '/healthz')))
        return healthy.includes(undefined) ? undefined : true
      },
      withinMs,
    )
  }

  leaderOf(stream: string): Promise<NatsServer> {
    return agreed(`a leader of stream ${stream}`, () => this.#one((node) => leads(node, stream)))
  }

  metaLeader(): Promise<NatsServer> {
    return agreed('a meta leader', () => this.#one(leadsCluster))
  }

  async rollingRestart(): Promise<void> {
    for (const node of this.nodes) {
      await node.restartGently()
      await this.ready()
    }
  }

  async stop(): Promise<void> {
    await Promise.all(this.nodes.map((node) => node.stop()))
  }

  /** An old leader may still believe in itself for a moment: only a single claim counts. */
  async #one(claims: (node: NatsServer) => Promise<boolean>): Promise<NatsServer | undefined> {
    const answers = await Promise.all(this.nodes.map(claims))
    const claimants = this.nodes.filter((_, index) => answers[index])
    return claimants.length === 1 ? claimants[0] : undefined
  }
}

interface Meta {
  readonly leader?: string
  readonly cluster_size?: number
}

interface Account {
  readonly stream_detail?: readonly { readonly name: string; readonly cluster?: { readonly leader?: string } }[]
}

async function metaOf(node: NatsServer): Promise<Meta | undefined> {
  return (await ask<{ meta_cluster?: Meta }>(node, '/jsz'))?.meta_cluster
}

async function nameOf(node: NatsServer): Promise<string | undefined> {
  return (await ask<{ server_name: string }>(node, '/varz'))?.server_name
}

async function leadsCluster(node: NatsServer): Promise<boolean> {
  const name = await nameOf(node)
  return name !== undefined && (await metaOf(node))?.leader === name
}

async function leads(node: NatsServer, stream: string): Promise<boolean> {
  const name = await nameOf(node)
  if (name === undefined) return false
  const report = await ask<{ account_details?: readonly Account[] }>(node, '/jsz?streams=true')
  const details = report?.account_details?.flatMap((account) => account.stream_detail ?? []) ?? []
  return details.some((detail) => detail.name === stream && detail.cluster?.leader === name)
}

/** Undefined when the node does not answer, or answers that it is not well. */
async function ask<T>(node: NatsServer, path: string): Promise<T | undefined> {
  try {
    const response = await fetch(`${node.monitorUrl}${path}`, { signal: AbortSignal.timeout(ANSWER_WITHIN_MS) })
    return response.ok ? ((await response.json()) as T) : undefined
  } catch {
    return undefined
  }
}

async function agreed<T>(what: string, look: () => Promise<T | undefined>, withinMs = AGREE_WITHIN_MS): Promise<T> {
  const deadline = Date.now() + withinMs
  for (;;) {
    const found = await look()
    if (found !== undefined) return found
    if (Date.now() > deadline) throw new Error(`no ${what} within ${withinMs} ms`)
    await delay(POLL_MS)
  }
}
