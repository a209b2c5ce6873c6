/** Readings that follow: nothing is missed between history and what comes, whoever tells of it and whatever happens to the server. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { systemClock } from '../../../../src/clock.js'
import type { StreamDefinition } from '../../../../src/topology.js'
import { growing, nth, range, until } from '../../../../testing/suite/expect.js'
import { codeOfAsync } from '../../../code-of.js'
import { type PostgresServer, startPostgres } from '../../../servers/postgres.js'
import { startProxy } from '../../../servers/proxy.js'
import { LedgerLab } from '../fixtures/ledger-lab.js'
import { Bells, Follower, polling, reading, withAfterthought } from '../fixtures/readings.js'

let server: PostgresServer
beforeAll(async () => {
  server = await startPostgres()
})
afterAll(async () => {
  await server.stop()
})

const ORDERS: StreamDefinition = { name: 'orders', subjects: ['orders.>'] }

async function withLab(
  work: (lab: LedgerLab) => Promise<void>,
  streams: readonly StreamDefinition[] = [ORDERS],
): Promise<void> {
  await using lab = await LedgerLab.open(server.url, streams)
  await work(lab)
}

describe('a reading that follows', () => {
  it('PG-V1: misses nothing of what several publishers commit, each in its own time, and sees it in order', async () => {
    await withLab(async (lab) => {
      await lab.publish(...range(1, 60).map(() => 'orders.old'))
      const follower = new Follower(lab)
      const publisher = async (name: number): Promise<void> => {
        for (const n of range(1, 25)) await lab.publish(`orders.${name}.${n}`, `orders.${name}.${n}.b`)
      }
      // A transaction that takes its positions early and commits late: those of the others wait for it, so a reader passes none by.
      const slow = async (): Promise<void> => {
        const client = await lab.database.connect('work')
        await client.query('begin')
        await client.query(
          `select ${lab.database.schema}.append_batch('11111111-1111-4111-8111-111111111111', $1, '', false, null)`,
          [
            JSON.stringify([
              {
                ord: 0,
                stream_id: 1,
                id: 'slow',
                deduped: true,
                fresh: true,
                subject: 'orders.slow',
                hash: '00',
                start: 0,
                length: 0,
                bytes: 0,
              },
            ]),
          ],
        )
        await lab.sql('select pg_sleep(0.2)')
        await client.query('commit')
        client.release()
      }
      await Promise.all([publisher(1), publisher(2), slow(), publisher(3)])
      await follower.reached(60 + 150 + 1)
      await follower.stop()
      expect(follower.positions).toEqual(range(1, 211))
    })
  })

  it('begins with what is published after it was opened', async () => {
    await withLab(async (lab) => {
      await lab.publish('orders.a', 'orders.b')
      for (const [from, first] of [
        ['new', []],
        ['last', [2]],
        ['last-per-subject', [1, 2]],
      ] as const) {
        const stopping = new AbortController()
        const messages = reading(lab, { from, follow: true, signal: stopping.signal })
        await messages.open()
        const { runs } = await lab.publish({ subject: 'orders.z' })
        const fresh = nth(runs, 0)[1]
        const seen: number[] = []
        for await (const { sequence } of messages) {
          seen.push(sequence)
          if (sequence === fresh) stopping.abort()
        }
        expect(seen).toEqual([...first, fresh])
        await lab.forget('orders', fresh)
      }
    })
  })

  it('waits for a position that is not there yet, and ends at the last one asked for', async () => {
    await withLab(async (lab) => {
      await lab.publish('orders.a')
      const follower = new Follower(lab, { from: { sequence: 3 }, toSequence: 4 })
      for (const name of ['b', 'c', 'd', 'e']) await lab.publish(`orders.${name}`)
      await follower.done
      expect(follower.positions).toEqual([3, 4])
    })
  })

  it('hears of what is stored right after its look, though nobody tells twice', async () => {
    await withLab(async (lab) => {
      const bells = new Bells()
      let left = 3
      const database = withAfterthought(lab.database, async (rows) => {
        if (rows.length === 0 && left-- > 0) await lab.publish('orders.1').then(() => bells.ring())
      })
      const follower = new Follower(lab, {}, { database, news: bells })
      await follower.reached(3)
      await follower.stop()
      expect(follower.positions).toEqual(range(1, 3))
    })
  })

  it('PG-N4: needs nobody who tells', async () => {
    await withLab(async (lab) => {
      const follower = new Follower(lab, { from: 'new' }, { news: polling })
      for (const n of range(1, 3)) {
        await lab.publish('orders.1')
        await follower.reached(n)
      }
      await follower.stop()
    })
  })

  it('ends without an error when it is aborted, also while the server does not answer', async () => {
    const proxy = await startProxy(server.port)
    await using lab = await LedgerLab.open(server.url.replace(String(server.port), String(proxy.port)))
    await lab.publish('orders.a')
    const follower = new Follower(lab)
    await follower.reached(1)
    proxy.stall()
    const asked = proxy.sent.length
    await until(() => proxy.sent.length >= asked, 'the stall')
    await follower.stop()
    proxy.pass()
    await proxy.stop()
    expect(follower.positions).toEqual([1])
  })

  it('ends with BUS_CLOSED when its adapter closes', async () => {
    await withLab(async (lab) => {
      await lab.publish('orders.a')
      const closing = new AbortController()
      const follower = new Follower(lab, {}, { closing: closing.signal })
      await follower.reached(1)
      closing.abort()
      expect(await codeOfAsync(() => follower.done)).toBe('BUS_CLOSED')
    })
  })

  it('goes on behind its last message when the server is back, with pauses between its tries', async () => {
    const proxy = await startProxy(server.port)
    await using lab = await LedgerLab.open(server.url.replace(String(server.port), String(proxy.port)))
    await using direct = await LedgerLab.open(server.url, [ORDERS], { schema: lab.options.schema })
    await direct.publish(...range(1, 10).map(() => 'orders.1'))
    const pauses: number[] = []
    const clock = {
      ...systemClock,
      timer: (ms: number, callback: () => void) => {
        pauses.push(ms)
        return systemClock.timer(1, callback)
      },
    }
    const follower = new Follower(lab, {}, { clock })
    await follower.reached(10)
    proxy.cut()
    await direct.publish(...range(1, 10).map(() => 'orders.2'))
    await until(() => pauses.length >= 8, 'eight tries')
    proxy.pass()
    await follower.reached(20)
    await follower.stop()
    await proxy.stop()
    growing(follower.positions)
    expect(follower.positions).toHaveLength(20)
    expect(pauses.slice(0, 3)).toEqual([50, 100, 200])
    expect(Math.max(...pauses)).toBe(2000)
  })
})
