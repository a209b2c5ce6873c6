/**
 * Servers that lose their power: what they had not synced is gone (F7, and F10 and F12 of power). JetStream by default may lose what it has
 * acknowledged then, which is told and exempted; that it does lose is the positive control, without which nothing here proves anything.
 */
import { setTimeout as wait } from 'node:timers/promises'
import type { Exemption } from '../../../testing/history/index.js'
import { powerDoubt } from '../controls/doubt.js'
import type { Fault } from '../fault.js'
import type { ServerDisk } from '../world/disks.js'
import type { World } from '../world/world.js'

const BOTH = ['nats', 'dual'] as const
/** Load that is on no disk yet, as far as the server does not see to it: less than the server's and the kernel's own intervals. */
const UNSYNCED_MS = 4000
const DOWN_MS = 700
/** Of each step of the shape of nats-server issue 7567. */
const DEGRADED_MS = 4000

const DISKS = { disks: true } as const
const CLUSTER_OF_DISKS = { disks: true, nodes: 3 } as const

/** Before the load that is at stake. */
async function putAtStake(disks: readonly ServerDisk[]): Promise<void> {
  await Promise.all(disks.map((disk) => disk.sync()))
  await wait(UNSYNCED_MS)
}

/** One moment for all of them, then whatever else dies with them, then power for all. */
async function cutPower(
  world: World,
  disks: readonly ServerDisk[],
  dying: () => Promise<unknown> = async () => {},
): Promise<void> {
  await Promise.all(disks.map((disk) => disk.cutPower()))
  await Promise.all([...disks.map((disk) => disk.recover()), dying()])
  await wait(DOWN_MS)
  await Promise.all(disks.map(({ server }) => server.restart()))
  await world.cluster?.ready()
}

async function loseDisks(world: World, code: string, target: string, disks: readonly ServerDisk[]): Promise<void> {
  await putAtStake(disks)
  await world.fault(code, target, () => cutPower(world, disks))
}

async function lacksDisks({ disks }: World): Promise<string | undefined> {
  return disks.lacking
}

async function lacksCluster({ disks, cluster }: World): Promise<string | undefined> {
  return cluster === undefined ? 'the world has one node, not three' : disks.lacking
}

const REASON = 'nats: lost only if power fails within sync_interval (default 2 min) on enough nodes'

/** Nothing for a ledger, nor for a server that syncs before it acknowledges. A dead letter is a message like any other. */
function mayLose({ options }: World): readonly Exemption[] {
  if (options.adapter !== 'nats' || options.syncInterval === 'always') return []
  return [
    { rule: 'R1', reason: REASON },
    { rule: 'R6', finding: 'no dead letter', reason: REASON },
  ]
}

export const brokerLosesPower: Fault = {
  code: 'F7',
  title: 'the leader of the stream loses its power, alone or one of three',
  adapters: BOTH,
  needs: DISKS,
  lacks: lacksDisks,
  exempt: mayLose,
  doubt: powerDoubt,
  async happen(world) {
    const leader = (await world.cluster?.leaderOf('orders')) ?? world.nats[0]
    const disks = world.disks.nats.filter(({ server }) => server === leader)
    await loseDisks(world, 'F7', 'nats', disks)
  },
}

export const clusterLosesPower: Fault = {
  code: 'F7b',
  title: 'all three nodes lose their power at once',
  adapters: BOTH,
  needs: CLUSTER_OF_DISKS,
  lacks: lacksCluster,
  exempt: mayLose,
  doubt: powerDoubt,
  happen: (world) => loseDisks(world, 'F7b', 'nats', world.disks.nats),
}

export const minorityForgets: Fault = {
  code: 'F7c',
  title:
    'one node stands still, another loses its power, and the first comes back in its place (nats-server issue 7567)',
  adapters: BOTH,
  needs: CLUSTER_OF_DISKS,
  lacks: lacksCluster,
  exempt: mayLose,
  doubt: powerDoubt,
  async happen(world) {
    const [first, second] = world.nats
    const third = world.disks.nats[2]
    if (first === undefined || second === undefined || third === undefined) throw new Error('there are not three nodes')
    await third.sync()
    await world.fault('F7c', 'nats', async () => {
      await first.pause()
      await wait(DEGRADED_MS)
      await third.cutPower()
      await third.recover()
      await second.pause()
      first.resume()
      await third.server.restart()
      await wait(DEGRADED_MS)
      second.resume()
      await world.cluster?.ready()
    })
  },
}

export const databaseLosesPower: Fault = {
  code: 'F10p',
  title: 'PostgreSQL loses its power',
  adapters: ['dual'],
  needs: DISKS,
  lacks: lacksDisks,
  doubt: powerDoubt,
  async happen(world) {
    const { postgres } = world.disks
    if (postgres !== undefined) await loseDisks(world, 'F10p', 'postgresql', [postgres])
  },
}

export const machineLosesPower: Fault = {
  code: 'F12p',
  title: 'everything loses its power at once, client processes too',
  adapters: BOTH,
  needs: DISKS,
  lacks: lacksDisks,
  exempt: mayLose,
  doubt: powerDoubt,
  async happen(world) {
    const { nats, postgres } = world.disks
    const disks = postgres === undefined ? nats : [...nats, postgres]
    const victims = world.living()
    await putAtStake(disks)
    await world.fault('F12p', 'everything', async () => {
      await cutPower(world, disks, () => Promise.all(victims.map((client) => client.kill())))
      await Promise.all(
        victims.map(({ proc, setting }) =>
          world.startClient(proc, setting.groups.length === 0 ? 'producer' : 'worker'),
        ),
      )
    })
  },
}
