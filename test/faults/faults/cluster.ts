/** A cluster of three that loses its leaders, a majority, or the routes between its nodes (F6). Its power is in `power.ts`. */
import { setTimeout as wait } from 'node:timers/promises'
import { jetstreamManager } from '@nats-io/jetstream'
import { connect } from '@nats-io/transport-node'
import type { NatsCluster } from '../../servers/nats-cluster.js'
import type { NatsServer } from '../../servers/nats-server.js'
import { STREAM } from '../client/setting.js'
import type { Fault } from '../fault.js'
import type { World } from '../world/world.js'

const BOTH = ['nats', 'dual'] as const
const THREE = { nodes: 3 } as const
const DOWN_MS = 700
/** An election has taken place before it is over. */
const AWAY_MS = 6000
/** The others have elected another leader well before its end, and serve. */
const PARTED_MS = 10_000
const CUT_MS = 3000
const GROUP = 'billing'

function clusterOf({ cluster }: World): NatsCluster {
  if (cluster === undefined) throw new Error('there is no cluster')
  return cluster
}

/** @param trouble is over when every node runs again and has caught up */
function cluster(
  code: string,
  title: string,
  trouble: (world: World, cluster: NatsCluster) => Promise<unknown>,
): Fault {
  return {
    code,
    title,
    adapters: BOTH,
    needs: THREE,
    lacks: async (world) => (world.cluster === undefined ? 'the world has one node, not three' : undefined),
    async happen(world) {
      const three = clusterOf(world)
      await world.fault(code, 'nats', async () => {
        await trouble(world, three)
        await three.ready()
      })
    },
  }
}

async function fall(nodes: readonly NatsServer[]): Promise<void> {
  await Promise.all(nodes.map((node) => node.kill()))
  await wait(DOWN_MS)
  await Promise.all(nodes.map((node) => node.restart()))
}

/** Nodes are named by their number, from 1. */
async function leaderOfGroup({ nodes, urls }: NatsCluster): Promise<NatsServer> {
  const client = await connect({ servers: [...urls], timeout: 20_000 })
  try {
    const jsm = await jetstreamManager(client)
    const { cluster } = await jsm.consumers.info(STREAM, GROUP)
    const leader = nodes[Number(cluster?.leader?.split('-')[1]) - 1]
    if (leader === undefined) throw new Error(`consumer ${GROUP} has no leader`)
    return leader
  } finally {
    await client.close()
  }
}

export const leaderKilled = cluster('F6', 'the leader of the stream is killed with -9', async (_, three) =>
  fall([await three.leaderOf(STREAM)]),
)

export const groupLeaderKilled = cluster('F6b', 'the leader of a consumer is killed with -9', async (_, three) =>
  fall([await leaderOfGroup(three)]),
)

export const rollingRestart = cluster('F6c', 'the nodes are restarted one after the other', (_, three) =>
  three.rollingRestart(),
)

export const majorityKilled = cluster(
  'F6d',
  'the leader and another node are killed with -9: no majority is left',
  async (_, three) => {
    const leader = await three.leaderOf(STREAM)
    const other = three.nodes.filter((node) => node !== leader).slice(0, 1)
    await fall([leader, ...other])
  },
)

export const leaderStopped = cluster('F6e', 'the leader of the stream stands still', async (_, three) => {
  const leader = await three.leaderOf(STREAM)
  await leader.pause()
  await wait(AWAY_MS)
  leader.resume()
})

export const nodeLinkCut = cluster('F6f', 'one client is cut off from the node that it uses', async (world) => {
  const used = world.linksOf('w1').nats.filter(({ connections }) => connections > 0)
  for (const link of used) link.cut()
  await wait(CUT_MS)
  for (const link of used) link.pass()
})

/** What is told over the routes in the meantime waits, as on a cable that is pulled and put back. */
async function part(
  { routes }: World,
  three: NatsCluster,
  how: (cluster: NatsCluster, leader: NatsServer) => void,
): Promise<void> {
  how(three, await three.leaderOf(STREAM))
  await wait(PARTED_MS)
  routes.heal()
}

export const leaderIsolated = cluster(
  'F6g',
  'the leader of the stream is parted from the other nodes',
  (world, three) => part(world, three, (...of) => world.routes.isolate(...of)),
)

export const leaderUnheard = cluster(
  'F6h',
  'the leader of the stream hears the others and is not heard',
  (world, three) => part(world, three, (...of) => world.routes.silence(...of)),
)
