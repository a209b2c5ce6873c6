/** What the background work of a ledger removes, and above all what it leaves. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { inspectLedger } from '../../../../adapters/dual/report/inspect.js'
import { type Known, known } from '../../../../adapters/dual/sql/known.js'
import type { LogFields, Logger } from '../../../../src/logger.js'
import type { StreamDefinition } from '../../../../src/topology.js'
import { nth, range, until } from '../../../../testing/suite/expect.js'
import { HandClock } from '../../../hand-clock.js'
import { type PostgresServer, startPostgres } from '../../../servers/postgres.js'
import { startProxy } from '../../../servers/proxy.js'
import { LedgerLab } from '../fixtures/ledger-lab.js'
import { positions } from '../fixtures/readings.js'
import { cleanup, floorOf, unsettledOf } from '../fixtures/tidying.js'

let server: PostgresServer
beforeAll(async () => {
  server = await startPostgres()
})
afterAll(async () => {
  await server.stop()
})

const ORDERS: StreamDefinition = { name: 'orders', subjects: ['orders.>'] }
const DAY_MS = 86_400_000

describe('cleaning', () => {
  it('PG-R1: PG-R3: removes what is over age in steps, oldest first, and their ids stay taken', async () => {
    await using lab = await LedgerLab.open(server.url, [{ ...ORDERS, maxAge: '1h' }])
    await lab.publish(...range(1, 60).map((n) => ({ subject: 'orders.1', id: `n${n}` })))
    await lab.age('orders', range(1, 47), DAY_MS)
    const consumer = await lab.consumer('all', 'orders')
    expect(await unsettledOf(lab, 'all')).toBe(13)
    await cleanup(lab).clean()
    expect(await lab.sql('select count(*) from %.ledger')).toEqual([{ count: '13' }])
    expect(await positions(lab)).toEqual(range(48, 60))
    expect([await floorOf(lab, consumer), await unsettledOf(lab, 'all')]).toEqual([47, 13])
    const { odd } = await lab.publish({ subject: 'orders.1', id: 'n5' })
    expect(odd).toEqual([[0, 'duplicate', 5]])
  })

  it('PG-R2: an id that is taken is one for the whole stream, until it is older than ids are kept', async () => {
    await using lab = await LedgerLab.open(server.url, [{ ...ORDERS, maxAge: '1h' }], { keepIds: '7d' })
    await lab.publish(...range(1, 30).map((n) => ({ subject: 'orders.1', id: `n${n}` })))
    await lab.age('orders', range(1, 25), 8 * DAY_MS)
    await lab.age('orders', range(26, 30), 6 * DAY_MS)
    await cleanup(lab).clean()
    const { runs, odd } = await lab.publish({ subject: 'orders.1', id: 'n25' }, { subject: 'orders.1', id: 'n26' })
    expect([nth(runs, 0)[1], odd]).toEqual([31, [[1, 'duplicate', 26]]])
  })

  it('forgets how often a message was tried when nobody is handed it any more, and not before', async () => {
    await using lab = await LedgerLab.open(server.url)
    await lab.publish(...range(1, 10).map(() => 'orders.1'))
    const consumer = await lab.consumer('all', 'orders')
    await lab.sql(
      'select %.note_failed($1, $2, $3, $4)',
      Array(10).fill(consumer),
      range(1, 10),
      Array(10).fill(2),
      Array(10).fill(0),
    )
    await lab.settle(consumer, 1)
    // As a message that is over age leaves.
    await lab.sql('insert into %.settled select $1, n from generate_series(2, 6) n', consumer)
    await lab.sql('insert into %.owed values ($1, 5)', consumer)
    const kept = async () =>
      (await lab.sql<{ position: string }>('select position from %.failed order by 1')).map((row) =>
        Number(row.position),
      )
    expect(await kept()).toEqual(range(2, 10))
    await cleanup(lab).clean()
    expect(await kept()).toEqual([5, 7, 8, 9, 10])
  })

  it('PG-L9: tells how long an attempt is not due, months included', async () => {
    await using lab = await LedgerLab.open(server.url)
    const consumer = await lab.consumer('all', 'orders')
    const failed = async (...positions: number[]) => {
      const { text, values = [] } = known('%', consumer, positions, positions)
      return (await lab.sql<Known>(text, ...values)).map(({ attempt, wait_ms }) => [attempt, wait_ms])
    }
    const delays = [0, 50_000, 90 * DAY_MS]
    await lab.sql('select %.note_failed($1, $2, $3, $4)', Array(3).fill(consumer), [1, 2, 3], [1, 2, 3], delays)
    expect(await failed(1)).toEqual([[1, 0]])
    expect(await failed(3, 4)).toEqual([
      [3, 2_147_483_647],
      [null, 0],
    ])
    const [[attempt = 0, waitMs = 0] = []] = await failed(2)
    expect(attempt).toBe(2)
    expect(waitMs).toBeGreaterThan(30_000)
    expect(waitMs).toBeLessThanOrEqual(50_000)
  })

  it('PG-I3: forgets what a handler did only when its message cannot come again', async () => {
    await using lab = await LedgerLab.open(server.url)
    await lab.publish(...range(1, 30).map(() => 'orders.1'))
    const consumer = await lab.consumer('all', 'orders')
    await lab.sql(
      `insert into %.inbox select $1, 'n' || n, n, clock_timestamp() - interval '8 days' from generate_series(1, 30) n`,
      consumer,
    )
    await lab.sql(`update %.inbox set processed_at = clock_timestamp() where position = 3`)
    await lab.settle(consumer, ...range(1, 20), ...range(22, 30))
    await lab.sql('insert into %.owed values ($1, 5)', consumer)
    await cleanup(lab).clean()
    const left = await lab.sql<{ position: string }>('select position from %.inbox order by position')
    expect(left.map(({ position }) => Number(position))).toEqual([3, 5, ...range(21, 30)])
  })

  it('drops relays that died long ago, unless something of theirs is still to be taken over', async () => {
    await using lab = await LedgerLab.open(server.url, [ORDERS], { lease: '1s' })
    const owner = (digit: number): string => `${String(digit).repeat(8)}-0000-4000-8000-000000000000`
    for (const [digit, ago] of [
      [1, '-5 s'],
      [2, '10 s'],
      [3, '1 h'],
      [4, '1 h'],
    ] as const)
      await lab.sql(`insert into %.relays values ($1, clock_timestamp() - $2::interval)`, owner(digit), ago)
    await lab.sql(`insert into %.outbox values (1, 1, 1, $1)`, owner(4))
    await cleanup(lab).clean()
    const left = await lab.sql<{ owner: string }>('select owner from %.relays order by owner')
    expect(left.map((relay) => relay.owner)).toEqual([1, 2, 4].map(owner))
  })

  it('does not wait for what another process is cleaning, nor for publishing', async () => {
    await using lab = await LedgerLab.open(server.url, [{ ...ORDERS, maxAge: '1h', maxMessages: 1000 }])
    await lab.publish(...range(1, 30).map((n) => ({ subject: 'orders.1', id: `n${n}` })))
    await lab.age('orders', range(1, 20), 8 * DAY_MS)
    const consumer = await lab.consumer('all', 'orders')
    await lab.settle(consumer, ...range(1, 25))
    const client = await lab.database.connect('work')
    await client.query('begin')
    await client.query(`select from ${lab.database.schema}.streams for no key update`)
    await client.query(`select from ${lab.database.schema}.consumers for no key update`)
    await cleanup(lab).clean()
    expect([
      await floorOf(lab, consumer),
      nth(await lab.sql<{ count: string }>('select count(*) from %.ledger'), 0).count,
    ]).toEqual([0, '30'])
    await client.query('rollback')
    client.release()
    await Promise.all([cleanup(lab).clean(), cleanup(lab).clean(), lab.publish('orders.2', 'orders.3')])
    await cleanup(lab).clean()
    expect(await floorOf(lab, consumer)).toBe(25)
    expect(nth((await inspectLedger(lab.database, lab.streams)).streams, 0)).toMatchObject({
      messages: 12,
      firstSequence: 21,
    })
  })
})

describe('the background work', () => {
  it('comes again and again until it is stopped, and leaves no timer', async () => {
    await using lab = await LedgerLab.open(server.url)
    const clock = new HandClock()
    const consumer = await lab.consumer('all', 'orders')
    const cleaning = cleanup(lab, { clock, everyMs: 5000 })
    cleaning.start()
    for (const n of range(1, 3)) {
      await lab.publish('orders.1')
      await lab.settle(consumer, n)
      clock.advance(5000)
      await until(async () => (await floorOf(lab, consumer)) === n, `floor ${n}`)
      await until(() => clock.timers === 1, 'the next pass')
    }
    expect(clock.isHeld).toBe(false)
    await cleaning.stop()
    await cleaning.stop()
    expect(clock.timers).toBe(0)
  })

  it('stops in the middle of a long pass', async () => {
    await using lab = await LedgerLab.open(server.url)
    const clock = new HandClock()
    await lab.publish(...range(1, 300).map(() => 'orders.1'))
    const consumer = await lab.consumer('all', 'orders')
    await lab.settle(consumer, ...range(1, 300))
    const cleaning = cleanup(lab, { clock, everyMs: 5000 })
    cleaning.start()
    clock.advance(5000)
    await until(async () => (await floorOf(lab, consumer)) === 10, 'the first step')
    await until(() => clock.timers === 1, 'the pause')
    await cleaning.stop()
    expect([clock.timers, await floorOf(lab, consumer)]).toEqual([0, 10])
  })

  it('tells once that the server is away, and goes on when it is back', async () => {
    const proxy = await startProxy(server.port)
    await using lab = await LedgerLab.open(server.url.replace(String(server.port), String(proxy.port)))
    await lab.publish('orders.1')
    const consumer = await lab.consumer('all', 'orders')
    await lab.settle(consumer, 1)
    const told: LogFields[] = []
    const logger: Logger = { log: (_level, _text, fields) => void told.push(fields ?? {}) }
    const clock = new HandClock()
    const cleaning = cleanup(lab, { clock, logger })
    cleaning.start()
    proxy.cut()
    for (const _ of range(1, 3)) {
      clock.advance(5000)
      await until(() => clock.timers === 1, 'the next pass')
    }
    expect(new Set(told.map(({ error }) => error)).size).toBe(told.length)
    expect(told.length).toBeGreaterThan(0)
    proxy.pass()
    clock.advance(5000)
    await until(async () => (await floorOf(lab, consumer)) === 1, 'the floor')
    await cleaning.stop()
    await proxy.stop()
  })
})
