/** PostgreSQL that dies, stands still, refuses or ends sessions, and replies that are lost (F10, F11). */
import { setTimeout as wait } from 'node:timers/promises'
import type { PostgresServer } from '../../servers/postgres.js'
import type { Fault } from '../fault.js'
import type { World } from '../world/world.js'

const DOWN_MS = 700
const PAUSE_MS = 4000
const STORM = { times: 5, everyMs: 400 }

function database(world: World): PostgresServer {
  if (world.postgres === undefined) throw new Error('there is no PostgreSQL')
  return world.postgres
}

export const databaseKilled: Fault = {
  code: 'F10',
  title: 'PostgreSQL is stopped at once and started again',
  adapters: ['dual'],
  async happen(world) {
    await world.fault('F10', 'postgresql', async () => {
      await database(world).kill()
      await wait(DOWN_MS)
      await database(world).restart()
    })
  },
}

export const databaseStopped: Fault = {
  code: 'F10b',
  title: 'PostgreSQL stands still',
  adapters: ['dual'],
  async happen(world) {
    await world.fault('F10b', 'postgresql', async () => {
      await database(world).pause()
      await wait(PAUSE_MS)
      await database(world).resume()
    })
  },
}

export const sessionsTerminated: Fault = {
  code: 'F10c',
  title: 'all sessions of PostgreSQL are terminated, again and again',
  adapters: ['dual'],
  async happen(world) {
    await world.fault('F10c', 'postgresql', async () => {
      for (let n = 0; n < STORM.times; n++) {
        await world.sql(
          'select pg_terminate_backend(pid) from pg_stat_activity where pid <> pg_backend_pid() and datname is not null',
        )
        await wait(STORM.everyMs)
      }
    })
  },
}

export const tableLocked: Fault = {
  code: 'F10d',
  title: 'the ledger is locked by somebody else',
  adapters: ['dual'],
  async happen(world) {
    await world.fault('F10d', 'postgresql', () =>
      world.sql(`begin; lock table %.ledger in access exclusive mode; select pg_sleep(${PAUSE_MS / 1000}); commit`),
    )
  },
}

/** @param statement its reply is lost, for every client once */
function replyLost(code: string, title: string, statement: RegExp): Fault {
  return {
    code,
    title,
    adapters: ['dual'],
    async happen(world) {
      await world.fault(code, 'link', async () => {
        const armed = world.allLinks.flatMap(({ statements }) => statements?.at(statement, 'swallow and cut') ?? [])
        // Not every client sends such a statement: that one was met is enough.
        await Promise.race([Promise.any(armed.map(({ done }) => done)), wait(PAUSE_MS)])
        for (const fault of armed) fault.lift()
      })
    },
  }
}

export const appendReplyLost = replyLost('F11', 'the reply to a group commit is lost', /append_batch/)
export const commitReplyLost = replyLost('F11b', "the reply to a handler's commit is lost", /^commit$/i)
export const settleReplyLost = replyLost('F11c', 'the reply to a settlement is lost', /settle|settled/)
