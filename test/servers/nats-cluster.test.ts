/** A throw-away cluster elects leaders, outlives the death of one of its nodes, and leaves nothing behind. */
import { jetstream, jetstreamManager } from '@nats-io/jetstream'
import { connect } from '@nats-io/transport-node'
import { describe, expect, it } from 'vitest'
import { startNatsCluster } from './nats-cluster.js'

const WITHIN_MS = 60_000

describe.concurrent.each(['2.15', '2.10'] as const)('three nats-servers %s', (version) => {
  it(
    'keep a replicated stream through the death of its leader and a rolling restart',
    async () => {
      const cluster = await startNatsCluster({ version })
      const servers = [...cluster.urls]
      const first = await connect({ servers })
      const manager = await jetstreamManager(first)
      await manager.streams.add({ name: 'KEPT', subjects: ['kept'], num_replicas: 3 })
      await jetstream(first).publish('kept', 'a')
      await first.close()
      const leader = await cluster.leaderOf('KEPT')
      await leader.kill()
      expect(await cluster.leaderOf('KEPT')).not.toBe(leader)
      expect(await cluster.metaLeader()).not.toBe(leader)
      await leader.restart()
      await cluster.rollingRestart()
      await cluster.leaderOf('KEPT')
      const second = await connect({ servers })
      const { state } = await (await jetstreamManager(second)).streams.info('KEPT')
      expect(state.messages).toBe(1)
      await second.close()
      await cluster.stop()
      await expect(connect({ servers, timeout: 1_000 })).rejects.toThrow()
    },
    WITHIN_MS,
  )
})
