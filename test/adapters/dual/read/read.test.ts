/** Reading a stream from the ledger: where it begins and ends, what it takes, and what it does while the server is away. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { StreamDefinition } from '../../../../src/topology.js'
import { range } from '../../../../testing/suite/expect.js'
import { codeOfAsync } from '../../../code-of.js'
import { type PostgresServer, startPostgres } from '../../../servers/postgres.js'
import { startProxy } from '../../../servers/proxy.js'
import { LedgerLab } from '../fixtures/ledger-lab.js'
import { positions, reading } from '../fixtures/readings.js'

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
