/** Stores that take nothing more: a full disk, a limit of the account or of the stream, a database that is read-only (F9, and F10 of disks). */
import { setTimeout as wait } from 'node:timers/promises'
import { type JetStreamManager, jetstreamManager } from '@nats-io/jetstream'
import { connect } from '@nats-io/transport-node'
import { STREAM } from '../client/setting.js'
import type { Fault } from '../fault.js'
import type { World } from '../world/world.js'
import { onceThere } from './patience.js'

const BOTH = ['nats', 'dual'] as const
const FULL_MS = 4000
const DISKS = { disks: true } as const

async function lacksDisks({ disks }: World): Promise<string | undefined> {
  return disks.lacking
}

/** What a server of one node is told with a limit of its account; the names are those of `systemAccount`. */
function accountsWith(maxFileBytes: number): string {
  return `accounts {
    SYS { users: [{ user: sys, password: sys }] }
    APP { jetstream: { max_mem: 64MB, max_file: ${maxFileBytes} }, users: [{ user: anyone, password: anyone }] }
  }`
}

async function manage<Result>({ nats }: World, work: (jsm: JetStreamManager) => Promise<Result>): Promise<Result> {
  const client = await connect({ servers: nats.map(({ url }) => url), timeout: 20_000 })
  try {
    const jsm = await jetstreamManager(client)
    return await onceThere(() => work(jsm))
  } finally {
    await client.close()
  }
}

async function isAnswering(world: World): Promise<boolean> {
  return await world.sql('select 1').then(
    () => true,
    () => false,
  )
}

export const brokerDiskFull: Fault = {
  code: 'F9',
  title: 'the disk of every nats-server is full, and freed',
  adapters: BOTH,
  needs: DISKS,
  lacks: lacksDisks,
  async happen(world) {
    const { nats } = world.disks
    await world.fault('F9', 'nats', async () => {
      await Promise.all(nats.map((disk) => disk.fill()))
      await wait(FULL_MS)
      await Promise.all(nats.map((disk) => disk.free()))
      // A stream that met a full disk takes nothing more until its server is restarted (JS-X1).
      for (const { server } of nats) await server.restart()
      await world.cluster?.ready()
    })
  },
}

export const streamFull: Fault = {
  code: 'F9b',
  title: 'the stream is full and refuses what is new',
  adapters: BOTH,
  async happen(world) {
    await world.fault('F9b', 'nats', () =>
      manage(world, async (jsm) => {
        const { config, state } = await jsm.streams.info(STREAM)
        await jsm.streams.update(STREAM, { ...config, max_msgs: state.messages, discard: 'new' })
        await wait(FULL_MS)
        await jsm.streams.update(STREAM, config)
      }),
    )
  },
}

export const accountFull: Fault = {
  code: 'F9c',
  title: 'the account may not store any more',
  adapters: BOTH,
  needs: { accounts: true },
  lacks: async ({ options, cluster }) =>
    options.accounts === true && cluster === undefined ? undefined : 'the account has no limits to change',
  async happen(world) {
    const [server] = world.nats
    if (server === undefined) throw new Error('there is no nats-server')
    await world.fault('F9c', 'nats', async () => {
      const { storage } = await manage(world, (jsm) => jsm.getAccountInfo())
      await server.reload({ config: accountsWith(storage) })
      await wait(FULL_MS)
      await server.reload({ config: '' })
    })
  },
}

export const databaseDiskFull: Fault = {
  code: 'F10q',
  title: 'the disk of PostgreSQL is full, and freed',
  adapters: ['dual'],
  needs: DISKS,
  lacks: lacksDisks,
  async happen(world) {
    const disk = world.disks.postgres
    await world.fault('F10q', 'postgresql', async () => {
      await disk?.fill()
      await wait(FULL_MS)
      await disk?.free()
      // It ends by itself when it cannot write its log.
      if (!(await isAnswering(world))) await world.postgres?.restart()
    })
  },
}

export const databaseReadOnly: Fault = {
  code: 'F10r',
  title: 'PostgreSQL is read-only',
  adapters: ['dual'],
  async happen(world) {
    const set = async (to: string): Promise<void> => {
      await world.sql(`alter system ${to}`)
      await world.sql('select pg_reload_conf()')
    }
    await world.fault('F10r', 'postgresql', async () => {
      await set('set default_transaction_read_only = on')
      await wait(FULL_MS)
      await set('reset default_transaction_read_only')
    })
  },
}
