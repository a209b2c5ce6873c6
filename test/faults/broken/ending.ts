/** Adapters that keep what they were given for too long, or not long enough: a wait, an answer, a row, a timer. */
import { setTimeout as wait } from 'node:timers/promises'
import { Pool } from 'pg'
import type { Adapter } from '../../../src/adapter.js'
import { type Broken, instead } from './broken.js'

const ONE_IN = 50
/** By then its handlers are through. */
const HANDLED_MS = 2000
/** Longer than a process may take to say goodbye, and not for ever: it would never end. */
const HELD_MS = 6000

export const forgetsTheWait: Broken = {
  name: 'hands out at once what failed',
  adapter: 'memory',
  faults: [],
  rule: 'R6',
  follows: [],
  breaks: (adapter) =>
    instead(adapter, {
      settle: (deliveries, settlement) =>
        adapter.settle(deliveries, settlement.kind === 'nak' ? { kind: 'nak', delayMs: 0 } : settlement),
    }),
}

export const answersLate: Broken = {
  name: 'answers some after their time limit',
  adapter: 'memory',
  faults: [],
  rule: 'R7',
  follows: [],
  breaks: (adapter) => {
    let calls = 0
    const publish: Adapter['publish'] = async (batch, timeoutMs) => {
      const outcomes = await adapter.publish(batch, timeoutMs)
      if (++calls % ONE_IN === 0) await wait(2 * timeoutMs)
      return outcomes
    }
    return instead(adapter, { publish })
  },
}

/** The stream has them still. */
export const forgetsRows: Broken = {
  name: 'forgets some rows of the ledger',
  adapter: 'dual',
  faults: [],
  rule: 'R8',
  follows: [],
  breaks: (adapter, { connection = '', schema = 'busbar' }) => {
    const pool = new Pool({ connectionString: connection, max: 1 })
    const forgetting = new Set<Promise<unknown>>()
    let calls = 0
    const forget = async (id: string): Promise<void> => {
      await wait(HANDLED_MS)
      await pool.query(`delete from ${schema}.ledger where id = $1`, [id])
    }
    const publish: Adapter['publish'] = async (batch, timeoutMs) => {
      const outcomes = await adapter.publish(batch, timeoutMs)
      const [message] = batch
      if (message !== undefined && outcomes[0]?.status === 'accepted' && ++calls % ONE_IN === 0) {
        const work = forget(message.id).finally(() => forgetting.delete(work))
        forgetting.add(work)
      }
      return outcomes
    }
    const close = async (): Promise<void> => {
      await Promise.all(forgetting)
      await pool.end()
      await adapter.close()
    }
    return instead(adapter, { publish, close })
  },
}

export const leavesTimers: Broken = {
  name: 'leaves a timer behind',
  adapter: 'memory',
  faults: [],
  rule: 'R10',
  follows: [],
  breaks: (adapter) =>
    instead(adapter, {
      close: async () => {
        await adapter.close()
        setTimeout(() => {}, HELD_MS)
      },
    }),
}
