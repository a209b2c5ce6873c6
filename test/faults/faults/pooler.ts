/** A pooler in transaction mode before PostgreSQL (F20): every transaction gets another session, and nothing may rest on one. */
import type { Fault } from '../fault.js'
import type { World } from '../world/world.js'
import { linksCut } from './links.js'
import { producerKilled, workerKilledSlow } from './processes.js'

const noPooler = async ({ pooler }: World): Promise<string | undefined> =>
  pooler === undefined ? 'no pooler stands before PostgreSQL' : undefined

export const behindPooler: Fault = {
  code: 'F20',
  title: 'processes die and links are cut behind a pooler in transaction mode',
  adapters: ['dual'],
  needs: { pooler: true },
  lacks: noPooler,
  async happen(world) {
    await workerKilledSlow.happen(world)
    await producerKilled.happen(world)
    await linksCut.happen(world)
  },
}
