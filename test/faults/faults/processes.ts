/** Client processes that die, stand still or are stopped (F1 to F4, F14, F16). */
import { setTimeout as wait } from 'node:timers/promises'
import type { Fault } from '../fault.js'
import type { ClientProcess } from '../world/client-process.js'
import type { World } from '../world/world.js'

const BOTH = ['nats', 'dual'] as const
/** Longer than the lease and the ack wait of a world that says nothing else. */
const LONGER_MS = 1500
const DOWN_MS = 300

/** A process of that role, the same one every time. */
function first(world: World, role: 'p' | 'w'): ClientProcess {
  const [client] = world.living(role)
  if (client === undefined) throw new Error(`no process ${role} is alive`)
  return client
}

/** Kills it with -9, and starts another in its place. */
async function replace(world: World, kind: string, victim: ClientProcess): Promise<void> {
  const role = victim.setting.groups.length === 0 ? 'producer' : 'worker'
  await world.fault(kind, victim.proc, async () => {
    await victim.kill()
    await wait(DOWN_MS)
    await world.startClient(victim.proc, role)
  })
}

async function standStill(world: World, kind: string, victim: ClientProcess, ms: number): Promise<void> {
  await world.fault(kind, victim.proc, async () => {
    victim.signal('SIGSTOP')
    await wait(ms)
    victim.signal('SIGCONT')
  })
}

export const workerKilled: Fault = {
  code: 'F1',
  title: 'a worker is killed with -9 while its handlers run',
  adapters: BOTH,
  happen: (world) => replace(world, 'F1', first(world, 'w')),
}

export const workerKilledSlow: Fault = {
  code: 'F1b',
  title: 'a worker is killed with -9 while all of its handlers are in the middle',
  adapters: BOTH,
  async happen(world) {
    const victim = first(world, 'w')
    victim.tell({ do: 'dawdle', ms: 400 })
    await wait(300)
    await replace(world, 'F1b', victim)
  },
}

export const producerKilled: Fault = {
  code: 'F2',
  title: 'a producer is killed with -9 while it publishes',
  adapters: BOTH,
  happen: (world) => replace(world, 'F2', first(world, 'p')),
}

export const relayStopped: Fault = {
  code: 'F3',
  title: 'a relay stands still for longer than its lease, and goes on',
  adapters: ['dual'],
  happen: (world) => standStill(world, 'F3', first(world, 'p'), (world.options.leaseMs ?? 8000) + LONGER_MS),
}

export const workerStopped: Fault = {
  code: 'F4',
  title: 'a worker stands still for longer than the ack wait, and goes on',
  adapters: BOTH,
  happen: (world) => standStill(world, 'F4', first(world, 'w'), (world.options.ackWaitMs ?? 3000) + LONGER_MS),
}

export const workerShutDown: Fault = {
  code: 'F14',
  title: 'a worker is stopped with a deadline that its handlers miss',
  adapters: BOTH,
  async happen(world) {
    const victim = first(world, 'w')
    await world.fault('F14', victim.proc, async () => {
      victim.tell({ do: 'dawdle', ms: 2000 })
      await wait(300)
      await victim.stop(500)
      await world.startClient(victim.proc, 'worker')
    })
  },
}

export const workerBlocked: Fault = {
  code: 'F16',
  title: 'the event loop of a worker is blocked for longer than the ack wait',
  adapters: ['memory', ...BOTH],
  async happen(world) {
    const victim = world.living('w')[0] ?? world.living()[0]
    const ms = (world.options.ackWaitMs ?? 3000) + LONGER_MS
    await world.fault('F16', victim?.proc ?? '', async () => {
      victim?.tell({ do: 'block', ms })
      await wait(ms)
    })
  },
}
