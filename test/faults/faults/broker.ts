/** A single nats-server that dies, stands still, or loses what it keeps (F5, F8). The cluster is in `cluster.ts`, power in `power.ts`. */
import { rm } from 'node:fs/promises'
import { setTimeout as wait } from 'node:timers/promises'
import { type JetStreamManager, jetstreamManager } from '@nats-io/jetstream'
import { connect } from '@nats-io/transport-node'
import type { NatsServer } from '../../servers/nats-server.js'
import { STREAM } from '../client/setting.js'
import type { Fault } from '../fault.js'
import type { World } from '../world/world.js'
import { onceThere } from './patience.js'

const BOTH = ['nats', 'dual'] as const
const DOWN_MS = 700
const PAUSE_MS = 4000

function single(world: World): NatsServer {
  const [server] = world.nats
  if (server === undefined) throw new Error('there is no nats-server')
  return server
}

async function manage(world: World, work: (jsm: JetStreamManager) => Promise<unknown>): Promise<void> {
  const client = await connect({ servers: world.nats.map(({ url }) => url), timeout: 20_000 })
  try {
    const jsm = await jetstreamManager(client)
    await onceThere(() => work(jsm))
  } finally {
    await client.close()
  }
}

/** A fault of what the broker keeps. It is over when it is done: recovery is busbar's. */
function damage(code: string, title: string, work: (jsm: JetStreamManager) => Promise<unknown>): Fault {
  const happen = (world: World): Promise<void> => world.fault(code, 'nats', () => manage(world, work))
  return { code, title, adapters: ['dual'], happen }
}

export const brokerKilled: Fault = {
  code: 'F5',
  title: 'nats-server is killed with -9 and restarted',
  adapters: BOTH,
  async happen(world) {
    await world.fault('F5', 'nats', async () => {
      await single(world).kill()
      await wait(DOWN_MS)
      await single(world).restart()
    })
  },
}

export const brokerStopped: Fault = {
  code: 'F5b',
  title: 'nats-server stands still',
  adapters: BOTH,
  async happen(world) {
    await world.fault('F5b', 'nats', async () => {
      await single(world).pause()
      await wait(PAUSE_MS)
      single(world).resume()
    })
  },
}

export const brokerRestarted: Fault = {
  code: 'F5c',
  title: 'nats-server is restarted in good order',
  adapters: BOTH,
  happen: (world) => world.fault('F5c', 'nats', () => single(world).restartGently()),
}

export const storeWiped: Fault = {
  code: 'F8',
  title: 'all that JetStream keeps is wiped while its server is down',
  adapters: ['dual'],
  async happen(world) {
    await world.fault('F8', 'nats', async () => {
      await single(world).kill()
      await rm(single(world).storeDir, { recursive: true })
      await wait(DOWN_MS)
      await single(world).restart()
    })
  },
}

export const streamDeleted = damage('F8b', 'the stream is deleted', (jsm) => jsm.streams.delete(STREAM))
export const streamPurged = damage('F8c', 'the stream is purged', (jsm) => jsm.streams.purge(STREAM))
export const consumerDeleted = damage('F8d', 'a consumer is deleted', (jsm) => jsm.consumers.delete(STREAM, 'billing'))

export const holeMade = damage('F8e', 'messages in the middle of the stream are deleted', async (jsm) => {
  const { state } = await jsm.streams.info(STREAM)
  const middle = Math.floor((state.first_seq + state.last_seq) / 2)
  for (let at = middle; at < middle + 20 && at <= state.last_seq; at++)
    await jsm.streams.deleteMessage(STREAM, at).catch(() => false)
})
