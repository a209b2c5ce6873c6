/**
 * Wall clocks that are wrong and jump (F15). Each process has one of its own, handed to its bus; the clock of the machine is never touched, and
 * that of PostgreSQL is right, so a process that is behind sees a database that is ahead.
 */
import { setTimeout as wait } from 'node:timers/promises'
import type { Fault } from '../fault.js'
import type { ClientProcess } from '../world/client-process.js'
import type { World } from '../world/world.js'

const HOUR_MS = 3_600_000
const LEASE_MS = 8000
/** The controller: a wrong clock of others excuses nothing that they do. */
const NOBODY = 'control'

/** Wrong for longer than a lease, so that every claim is renewed meanwhile. */
function wrong(code: string, title: string, aheadMs: number, whose: (world: World) => readonly ClientProcess[]): Fault {
  return {
    code,
    title,
    adapters: ['nats', 'dual'],
    async happen(world) {
      const clients = whose(world)
      await world.fault(code, NOBODY, async () => {
        for (const client of clients) client.tell({ do: 'set clock', aheadMs })
        await wait((world.options.leaseMs ?? LEASE_MS) + 500)
        for (const client of clients) client.tell({ do: 'set clock', aheadMs: 0 })
      })
    },
  }
}

const half = (world: World): readonly ClientProcess[] => world.living().filter((_, at) => at % 2 === 0)

export const clocksAhead = wrong('F15', 'the clocks of half of the processes are an hour ahead', HOUR_MS, half)
export const clocksBehind = wrong('F15b', 'the clocks of half of the processes are an hour behind', -HOUR_MS, half)

/** Time that has been seen comes once more: what compares moments would wait an hour, or claim at once. */
export const clocksJump: Fault = {
  code: 'F15c',
  title: 'all clocks jump forth and back while leases are held',
  adapters: ['nats', 'dual'],
  async happen(world) {
    await world.fault('F15c', NOBODY, async () => {
      const lease = world.options.leaseMs ?? LEASE_MS
      for (const aheadMs of [lease / 2, -lease / 2, HOUR_MS, 0, -HOUR_MS, 0]) {
        for (const client of world.living()) client.tell({ do: 'set clock', aheadMs })
        await wait(lease / 3)
      }
    })
  },
}
