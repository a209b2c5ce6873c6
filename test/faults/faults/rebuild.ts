/** A stream that is sent again from the ledger while everything goes on, by processes that die of it or meet each other (F17). */
import { setTimeout as wait } from 'node:timers/promises'
import { jetstreamManager } from '@nats-io/jetstream'
import { connect } from '@nats-io/transport-node'
import { randomOf } from '../../../testing/run-number.js'
import { STREAM } from '../client/setting.js'
import type { Fault } from '../fault.js'
import type { ClientProcess } from '../world/client-process.js'
import type { World } from '../world/world.js'
import { onceThere } from './patience.js'

/** Kills at random points of a rebuild. */
const KILLS = 3
const LATEST_KILL_MS = 400
const REST_MS = 300
const PER_SECOND = 40
const LOOK_MS = 50
const PUBLISHED_WITHIN_MS = 60_000

async function deleteStream({ nats }: World): Promise<void> {
  const client = await connect({ servers: nats.map(({ url }) => url), timeout: 20_000 })
  try {
    const jsm = await jetstreamManager(client)
    await onceThere(() => jsm.streams.delete(STREAM))
  } finally {
    await client.close()
  }
}

function producers(world: World): [ClientProcess, ClientProcess] {
  const [one, two] = world.living('p')
  if (one === undefined || two === undefined) throw new Error('a rebuild takes two producers that live')
  return [one, two]
}

/** It is under load before it is killed: a process that was killed before it did anything proves nothing. */
async function publishes(producer: ClientProcess): Promise<void> {
  producer.tell({ do: 'produce', perSecond: PER_SECOND })
  const giveUpAt = performance.now() + PUBLISHED_WITHIN_MS
  while (producer.accepted === 0 && !producer.isOver) {
    if (performance.now() > giveUpAt) throw new Error(`${producer.proc}: nothing was accepted. ${producer.trouble}`)
    await wait(LOOK_MS)
  }
}

export const rebuilt: Fault = {
  code: 'F17',
  title: 'a deleted stream is rebuilt by hand under load',
  adapters: ['dual'],
  async happen(world) {
    await world.fault('F17', 'nats', async () => {
      await deleteStream(world)
      await producers(world)[0].repair()
    })
  },
}

export const rebuilderKilled: Fault = {
  code: 'F17b',
  title: 'the process that rebuilds is killed with -9, again and again',
  adapters: ['dual'],
  async happen(world) {
    const random = randomOf(world.options.seed)
    await world.fault('F17b', 'nats', async () => {
      await deleteStream(world)
      for (let n = 0; n < KILLS; n++) {
        const [victim] = producers(world)
        await publishes(victim)
        const repairing = victim.repair()
        await wait(random() * LATEST_KILL_MS)
        await victim.kill()
        await repairing
        await world.startClient(victim.proc, 'producer')
      }
      await producers(world)[1].repair()
    })
  },
}

/** One of them may be told that the other is at it. */
export const rebuiltTwice: Fault = {
  code: 'F17c',
  title: 'two processes rebuild a deleted stream at once',
  adapters: ['dual'],
  async happen(world) {
    await world.fault('F17c', 'nats', async () => {
      await deleteStream(world)
      const [one, two] = producers(world)
      await Promise.all([one.repair(), two.repair()])
      await wait(REST_MS)
      await Promise.all([two.repair(), one.repair()])
    })
  },
}
