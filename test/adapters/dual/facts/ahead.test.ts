/**
 * A ledger that is behind its inner backend: a standby took over that lacked the newest rows, or a copy of the database was put back. No
 * position is given twice, and what the ledger lost is told and can be taken back.
 */
import { execFile } from 'node:child_process'
import { rm } from 'node:fs/promises'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { isAhead } from '../../../../adapters/dual/verify/ahead.js'
import { jetstream } from '../../../../adapters/jetstream/index.js'
import { memory } from '../../../../adapters/memory/index.js'
import type { MessageBus } from '../../../../src/message-bus.js'
import { growing, range, until } from '../../../../testing/suite/expect.js'
import { type NatsServer, startNats } from '../../../servers/nats-server.js'
import { type PostgresServer, startPostgres } from '../../../servers/postgres.js'
import { DualLab, type LabBusOptions } from '../fixtures/dual-lab.js'
import { LogBook, Pair } from '../verify/fixture.js'

/** With owner and permissions, which PostgreSQL looks at. */
const copy = (from: string, to: string) => promisify(execFile)('cp', ['-a', from, to])
const TEST = { timeout: 60_000 }
const WATCHED: LabBusOptions = { dual: { compareEvery: '200ms' } }

let nats: NatsServer
let postgres: PostgresServer
beforeAll(async () => {
  ;[nats, postgres] = await Promise.all([startNats(), startPostgres()])
})
afterAll(async () => {
  await Promise.all([nats.stop(), postgres.stop()])
})

/** As a standby that took over would have it: rows above that position were never there. */
async function loseRowsAbove(lab: Pick<DualLab, 'sql'>, position: number): Promise<void> {
  await lab.sql('delete from %.ledger where position > $1', position)
  await lab.sql('delete from %.settled where position > $1', position)
  await lab.sql(
    `update %.streams s set high = $1, (messages, bytes) =
       (select count(*), coalesce(sum(l.bytes), 0) from %.ledger l where l.stream_id = s.id)`,
    position,
  )
}

async function publish(bus: MessageBus, from: number, to: number): Promise<number[]> {
  const receipts = await bus.publishBatch(range(from, to).map((n) => ({ to: 'orders.a', data: n })))
  return receipts.map(({ sequence }) => sequence)
}

async function stored(bus: MessageBus): Promise<unknown[]> {
  const found: unknown[] = []
  for await (const { data } of bus.replay({ stream: 'orders' })) found.push(data)
  return found
}

async function said(bus: MessageBus, what: string): Promise<void> {
  await until(async () => (await bus.health()).reasons.join().includes(what), `health to say "${what}"`)
}

it(
  'PG-D4: a bus that connects gives no position that the inner backend has seen, says so, and imports what was lost',
  TEST,
  async () => {
    const name = `ahead${Date.now().toString(36)}`
    const streams = [{ name, subjects: ['orders.>'] }]
    await using lab = await DualLab.open(postgres, { inner: () => jetstream({ servers: nats.url }), streams })
    const bus = await lab.bus()
    await publish(bus, 1, 20)
    await lab.relayed()
    await bus.close()
    await loseRowsAbove(lab, 12)
    const logger = new LogBook()
    const next = await lab.bus({ ...WATCHED, logger })
    expect(logger.lines.map(({ fields }) => fields)).toContainEqual({ stream: name, ledger: 12, inner: 20 })
    expect(await publish(next, 21, 22)).toEqual([21, 22])
    await lab.relayed()
    await said(next, '8 messages are in the inner backend only')
    expect(await next.verify({ stream: name })).toMatchObject({ missing: 0, foreign: 8 })
    expect(await next.repair({ stream: name, importForeign: true })).toMatchObject({ imported: 8 })
    await lab.relayed()
    expect(await next.verify({ stream: name })).toMatchObject({ isSame: true, foreign: 0, ledger: 22 })
    const found: unknown[] = []
    for await (const { data } of next.replay({ stream: name })) found.push(data)
    expect(found).toEqual([...range(1, 12), 21, 22, ...range(13, 20)])
  },
)

it(
  'PG-D4: the watch finds a ledger that fell behind while the bus was open, before it gives what was given',
  TEST,
  async () => {
    await using pair = await Pair.open(postgres.url, memory())
    await pair.fill(30)
    await loseRowsAbove(pair.lab, 10)
    expect(await isAhead(pair.parts, pair.stream)).toBe(true)
    await pair.publish({})
    await pair.relayed()
    expect((await pair.copies()).map(({ position }) => position)).toEqual(range(1, 31))
    expect(await pair.verify()).toMatchObject({ foreign: 20, missing: 0 })
  },
)

it('PG-D4: a copy that is put back within a second of another change of servers gives other positions', async () => {
  await using lab = await DualLab.open(postgres)
  await lab.bus()
  const first = await afterAnotherServer(lab)
  expect(await afterAnotherServer(lab)).toBeGreaterThan(first + 20)
})

/** The position that an older copy goes on from. */
async function afterAnotherServer(lab: Pick<DualLab, 'sql'>): Promise<number> {
  await lab.sql(`update %.streams set server_start = 'epoch', high = 20`)
  await lab.sql('select %.skip_unknown(array(select id from %.streams))')
  const [{ high }] = (await lab.sql(`select high from %.streams where name = 'orders'`)) as [{ high: string }]
  await lab.sql('delete from %.skipped')
  return Number(high)
}

it(
  'PG-D4: a ledger put back to an older copy gives no position again, at once, by whatever way, while the broker is down too',
  TEST,
  async () => {
    const own = await startPostgres()
    const broker = await startNats()
    try {
      await using lab = await DualLab.open(own, { inner: () => jetstream({ servers: broker.url }) })
      const bus = await lab.bus({ ...WATCHED, isDirect: true })
      const [{ data_directory: data }] = (await lab.sql('show data_directory')) as [{ data_directory: string }]
      await publish(bus, 1, 10)
      await lab.relayed()
      await own.kill()
      await copy(data, `${data}-older`)
      await own.restart()
      const before = await publish(bus, 11, 30)
      await lab.relayed()
      await own.kill()
      await rm(data, { recursive: true })
      await copy(`${data}-older`, data)
      await broker.kill()
      await own.restart()
      const after = await publish(bus, 31, 31)
      await bus.transaction((tx) => tx.publish('orders.a', 32))
      const [{ high }] = (await lab.sql(`select high from %.streams where name = 'orders'`)) as [{ high: string }]
      after.push(Number(high))
      growing([...before, ...after])
      await broker.restart()
      await said(bus, '20 messages are in the inner backend only')
      expect(await bus.repair({ stream: 'orders', importForeign: true })).toMatchObject({ imported: 20 })
      await lab.relayed()
      expect(new Set(await stored(bus))).toEqual(new Set(range(1, 32)))
      expect(await bus.verify({ stream: 'orders' })).toMatchObject({ isSame: true, ledger: 32 })
    } finally {
      await Promise.all([own.stop(), broker.stop()])
    }
  },
)
