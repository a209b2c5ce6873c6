/** Handlers that do harm: they kill their process, or never end (F19). What ends after a shutdown is F14. */
import { setTimeout as wait } from 'node:timers/promises'
import type { Fault } from '../fault.js'
import type { World } from '../world/world.js'

const BOTH = ['nats', 'dual'] as const
const LOOK_MS = 50
/** As many as attempts. */
const DEATHS = 3
const DEATHS_WITHIN_MS = 60_000
/** Attempts of a handler that never ends, their time limits and the waits between them. */
const HANGS_MS = 7500

/** The message has as many attempts as workers die; then it is dead, and they live. */
export const poisonKills: Fault = {
  code: 'F19',
  title: 'a message kills every process that handles it',
  adapters: BOTH,
  async happen(world) {
    await world.fault('F19', 'workers', async () => {
      world.living('p')[0]?.tell({ do: 'poison', how: 'kills' })
      const giveUpAt = performance.now() + DEATHS_WITHIN_MS
      for (let deaths = 0; deaths < DEATHS; ) {
        if (performance.now() > giveUpAt) throw new Error(`the poison has killed ${deaths} of ${DEATHS} workers`)
        const dead = deadWorkers(world)
        deaths += dead.length
        await Promise.all(dead.map((proc) => world.startClient(proc, 'worker')))
        await wait(LOOK_MS)
      }
    })
  },
}

function deadWorkers(world: World): string[] {
  const alive = new Set(world.living('w').map(({ proc }) => proc))
  const ever = world.clients.map(({ proc }) => proc).filter((proc) => proc.startsWith('w'))
  return [...new Set(ever)].filter((proc) => !alive.has(proc))
}

export const poisonHangs: Fault = {
  code: 'F19b',
  title: 'the handler of a message never ends',
  adapters: ['memory', ...BOTH],
  async happen(world) {
    await world.fault('F19b', 'handlers', async () => {
      const producer = world.living('p')[0] ?? world.living('b')[0]
      producer?.tell({ do: 'poison', how: 'hangs' })
      await wait(HANGS_MS)
    })
  },
}
