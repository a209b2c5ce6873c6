/** Replies of PostgreSQL that are lost at the n-th statement of a process, whatever it is (F11). At a chosen statement: `database.ts`. */
import { setTimeout as wait } from 'node:timers/promises'
import type { Fault } from '../fault.js'

const ANY = /./
/** The indexes meet group commits, beats of leases, settlements and commits in turn: none of them divides another. */
const INDEXES = [1, 2, 3, 5, 8, 13]
const PATIENCE_MS = 4000

function lostAt(code: string, title: string, act: 'swallow and cut' | 'cut before' | 'cut at once'): Fault {
  return {
    code,
    title,
    adapters: ['dual'],
    async happen(world) {
      await world.fault(code, 'links', async () => {
        for (const nth of INDEXES) {
          const armed = world.allLinks.flatMap(({ statements }) => statements?.at(ANY, act, { nth }) ?? [])
          await Promise.race([Promise.all(armed.map(({ met }) => met)), wait(PATIENCE_MS)])
          for (const fault of armed) fault.lift()
        }
      })
    },
  }
}

export const anyReplyLost = lostAt('F11d', 'the reply to the n-th statement of each process is lost', 'swallow and cut')
export const anyStatementLost = lostAt('F11e', 'the n-th statement of each process never arrives', 'cut before')
export const anyLinkCut = lostAt('F11f', 'the link is cut as the n-th statement is sent', 'cut at once')
