/** Processes that stand still at a bad moment, and go on as if nothing had been (F3b, F4b). At any moment: `processes.ts`. */
import { setTimeout as wait } from 'node:timers/promises'
import type { Fault } from '../fault.js'

const BOTH = ['nats', 'dual'] as const
const DAWDLE_MS = 400
const LONGER_MS = 1500
const ACK_WAIT_MS = 3000
const LEASE_MS = 8000

export const eachStopped: Fault = {
  code: 'F3b',
  title: 'one process after the other stands still for longer than its lease, and goes on',
  adapters: BOTH,
  async happen(world) {
    for (const victim of world.living())
      await world.fault('F3b', victim.proc, async () => {
        victim.signal('SIGSTOP')
        await wait((world.options.leaseMs ?? LEASE_MS) + LONGER_MS)
        victim.signal('SIGCONT')
      })
  },
}

/** With order by key only one of them has work: each has its turn. */
export const workersStoppedSlow: Fault = {
  code: 'F4b',
  title: 'one worker after the other stands still in the middle of its handlers, for longer than the ack wait',
  adapters: BOTH,
  async happen(world) {
    for (const victim of world.living('w'))
      await world.fault('F4b', victim.proc, async () => {
        victim.tell({ do: 'dawdle', ms: DAWDLE_MS })
        await wait(DAWDLE_MS)
        victim.signal('SIGSTOP')
        await wait((world.options.ackWaitMs ?? ACK_WAIT_MS) + LONGER_MS)
        victim.tell({ do: 'dawdle', ms: 0 })
        victim.signal('SIGCONT')
      })
  },
}
