/** The routes between the nodes of a cluster: a proxy for each direction in which one node may call another, so that nodes can be parted. */
import type { NatsCluster } from '../../servers/nats-cluster.js'
import type { NatsServer } from '../../servers/nats-server.js'
import { type LinkProxy, startProxy } from '../../servers/proxy.js'

interface Route {
  readonly from: number
  readonly to: number
  readonly link: LinkProxy
}

export class Routes {
  readonly #routes: Route[] = []

  /** For `startNatsCluster`. */
  readonly via = async (from: number, to: number, port: number): Promise<number> => {
    const link = await startProxy(port, { remembers: false })
    this.#routes.push({ from, to, link })
    return link.port
  }

  /** No byte between it and the others, and no connection ends: as a cable that is pulled. */
  isolate({ nodes }: NatsCluster, node: NatsServer): void {
    const at = nodes.indexOf(node)
    for (const { from, to, link } of this.#routes) if (from === at || to === at) link.stall()
  }

  /** The others hear nothing of it, and it hears them. */
  silence({ nodes }: NatsCluster, node: NatsServer): void {
    const at = nodes.indexOf(node)
    for (const { from, to, link } of this.#routes) {
      if (from === at) link.stall('toServer')
      if (to === at) link.stall('toClient')
    }
  }

  heal(): void {
    for (const { link } of this.#routes) link.pass()
  }

  async stop(): Promise<void> {
    await Promise.all(this.#routes.map(({ link }) => link.stop()))
  }
}
