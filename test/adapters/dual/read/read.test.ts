/** Reading a stream from the ledger: where it begins and ends, what it takes, and what it does while the server is away. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { systemClock } from '../../../../src/clock.js'
import type { StreamDefinition } from '../../../../src/topology.js'
import { growing, nth, range, until } from '../../../../testing/suite/expect.js'
import { codeOfAsync } from '../../../code-of.js'
import { type PostgresServer, startPostgres } from '../../../servers/postgres.js'
import { startProxy } from '../../../servers/proxy.js'
import { LedgerLab } from '../fixtures/ledger-lab.js'
import { Bells, Follower, polling, positions, reading, withAfterthought } from '../fixtures/readings.js'

let server: PostgresServer
beforeAll(async () => {
  server = await startPostgres()
})
afterAll(async () => {
  await server.stop()
})

const ORDERS: StreamDefinition = { name: 'orders', subjects: ['orders.>'] }
const MINUTE_MS = 60_000

async function withLab(
  work: (lab: LedgerLab) => Promise<void>,
  streams: readonly StreamDefinition[] = [ORDERS],
): Promise<void> {
  await using lab = await LedgerLab.open(server.url, streams)
  await work(lab)
}

describe('a reading of the ledger', () => {
  it('yields messages as they were published', async () => {
    await withLab(async (lab) => {
      const payload = Uint8Array.of(0, 255, 128)
      await lab.publish({ subject: 'orders.1', id: 'first', key: 'k', headers: { 'x-a': 'é"\\' }, payload })
      const before = Date.now()
      for await (const message of reading(lab)) {
        expect(message).toMatchObject({ stream: 'orders', sequence: 1, id: 'first', subject: 'orders.1', key: 'k' })
        expect({ ...message.headers }).toEqual({ 'x-a': 'é"\\' })
        expect(new Uint8Array(message.payload)).toEqual(payload)
        expect(Math.abs(message.time - before)).toBeLessThan(MINUTE_MS)
      }
      expect(await positions(lab)).toEqual([1])
    })
  })

  it('misses none of more messages than any page holds, and reads only what its filters take', async () => {
    await withLab(async (lab) => {
      for (let n = 0; n < 4; n++) await lab.publish(...range(1, 700).map((i) => `orders.${i % 7}`))
      expect(await positions(lab)).toEqual(range(1, 2800))
      const third = await positions(lab, { filters: ['orders.3', 'orders.5'] })
      expect(third).toEqual(range(1, 2800).filter((n) => [3, 5].includes((((n - 1) % 700) + 1) % 7)))
    })
  })

  it('a page ends before its bytes grow too many, and nothing is lost at its end', async () => {
    await withLab(async (lab) => {
      const payload = Buffer.alloc(900_000, 'x')
      for (const _ of range(1, 12)) await lab.publish({ subject: 'orders.1', payload })
      await lab.publish('orders.2')
      expect(await positions(lab)).toEqual(range(1, 13))
    })
  })

  it('PG-V5: gaps are passed by, however wide', async () => {
    await withLab(async (lab) => {
      await lab.publish(...range(1, 40).map(() => 'orders.1'))
      await lab.forget('orders', ...range(2, 39))
      await lab.sql('update %.ledger set position = 90000 where position = 40')
      await lab.sql('update %.streams set high = 5000000')
      await lab.publish('orders.1')
      expect(await positions(lab)).toEqual([1, 90_000, 5_000_001])
      expect(await positions(lab, { from: 'last' })).toEqual([5_000_001])
    })
  })

  it('begins where it was told to', async () => {
    await withLab(async (lab) => {
      await lab.publish('orders.a', 'orders.b', 'orders.c', 'orders.a')
      expect(await positions(lab, { from: 'new' })).toEqual([])
      expect(await positions(lab, { from: 'last' })).toEqual([4])
      expect(await positions(lab, { from: 'last', filters: ['orders.b'] })).toEqual([2])
      expect(await positions(lab, { from: 'last', filters: ['orders.d'] })).toEqual([])
      expect(await positions(lab, { from: 'last-per-subject' })).toEqual([2, 3, 4])
      expect(await positions(lab, { from: 'last-per-subject', filters: ['orders.a'] })).toEqual([4])
      expect(await positions(lab, { from: { sequence: 3 } })).toEqual([3, 4])
      expect(await positions(lab, { from: { sequence: 9 } })).toEqual([])
    })
  })

  it('finds the newest of each subject among more messages than one statement looks at, and of more subjects than one asks for', async () => {
    await withLab(async (lab) => {
      await lab.publish('orders.rare', 'orders.never-again')
      await lab.sql('update %.ledger set position = position + 40000')
      await lab.sql('update %.streams set high = 40002')
      for (const round of range(1, 3)) await lab.publish(...range(1, 1500).map((n) => `orders.${n}.${round % 1}`))
      await lab.sql('update %.streams set high = 200000')
      await lab.publish('orders.rare')
      const newest = await positions(lab, { from: 'last-per-subject' })
      expect(newest).toEqual([40_002, ...range(43_003, 44_502), 200_001])
    })
  })

  it('PG-V6: by time includes both ends, to the millisecond', async () => {
    await withLab(async (lab) => {
      await lab.publish(...range(1, 6).map((n) => `orders.${n}`))
      const start = Date.now() - MINUTE_MS
      for (const n of range(1, 6))
        await lab.sql(
          'update %.ledger set time = to_timestamp($1::float8 / 1000) where position = $2',
          start + 5 * Math.ceil(n / 2),
          n,
        )
      const at = (n: number): number => start + 5 * n
      expect(await positions(lab, { from: { timeMs: at(2) } })).toEqual([3, 4, 5, 6])
      expect(await positions(lab, { from: { timeMs: at(2) + 0.5 } })).toEqual([5, 6])
      expect(await positions(lab, { from: { timeMs: at(1) }, toTimeMs: at(2) })).toEqual([1, 2, 3, 4])
      expect(await positions(lab, { toTimeMs: at(2) - 1 })).toEqual([1, 2])
      expect(await positions(lab, { from: { timeMs: at(4) } })).toEqual([])
      expect(await positions(lab, { from: { timeMs: -8.64e15 }, toTimeMs: 8.64e15 })).toEqual(range(1, 6))
      expect(await positions(lab, { toTimeMs: -1 })).toEqual([])
    })
  })

  it('ends with the last position asked for, and with the last one that was there when it began', async () => {
    await withLab(async (lab) => {
      await lab.publish(...range(1, 5).map((n) => `orders.${n}`))
      expect(await positions(lab, { from: { sequence: 2 }, toSequence: 4 })).toEqual([2, 3, 4])
      const messages = reading(lab)
      await messages.open()
      await lab.publish('orders.late')
      const seen: number[] = []
      for await (const { sequence } of messages) {
        seen.push(sequence)
        await lab.publish('orders.later')
      }
      expect(seen).toEqual(range(1, 5))
    })
  })

  it('does not see what is over age, though it was not removed yet', async () => {
    await withLab(
      async (lab) => {
        await lab.publish('orders.a', 'orders.b', 'orders.c')
        await lab.age('orders', [1, 2], 2 * MINUTE_MS)
        expect(await positions(lab)).toEqual([3])
        expect(await positions(lab, { from: 'last', filters: ['orders.b'] })).toEqual([])
        expect(await positions(lab, { from: 'last-per-subject' })).toEqual([3])
      },
      [{ ...ORDERS, maxAge: '1m' }],
    )
  })

  it('a reading of a missing stream is refused, and so is one of a closed adapter', async () => {
    await withLab(async (lab) => {
      expect(await codeOfAsync(() => positions(lab, { stream: 'missing' }))).toBe('BUS_NOT_FOUND')
      const closed = reading(lab, {}, { closing: AbortSignal.abort() })
      expect(await codeOfAsync(() => closed.open())).toBe('BUS_CLOSED')
    })
  })

  it('a plain reading does not outlive the server: it rejects', async () => {
    const proxy = await startProxy(server.port)
    await using lab = await LedgerLab.open(server.url.replace(String(server.port), String(proxy.port)))
    await lab.publish(...range(1, 100).map(() => 'orders.1'))
    const messages = reading(lab)
    await messages.open()
    proxy.cut()
    const readAll = async (): Promise<void> => {
      for await (const _ of messages);
    }
    expect(await codeOfAsync(readAll)).toBe('BUS_UNAVAILABLE')
    await proxy.stop()
  })
})

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
