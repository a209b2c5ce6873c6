/** The floor of a consumer: never above what it has not settled, whoever moves it and whoever settles meanwhile. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { advanceFloor } from '../../../../adapters/dual/sql/advance-floor.js'
import { nth, range, until } from '../../../../testing/suite/expect.js'
import { type PostgresServer, startPostgres } from '../../../servers/postgres.js'
import { LedgerLab } from '../fixtures/ledger-lab.js'
import { cleanup, floorOf, settledOf, unsettledOf } from '../fixtures/tidying.js'

let server: PostgresServer
beforeAll(async () => {
  server = await startPostgres()
})
afterAll(async () => {
  await server.stop()
})

describe("a consumer's floor", () => {
  it('stands just before the first message that it has not settled, and nothing below it is kept', async () => {
    await using lab = await LedgerLab.open(server.url)
    await lab.publish(...range(1, 50).map((n) => `orders.${n % 2 === 0 ? 'even' : 'odd'}`))
    const [all, even] = [await lab.consumer('all', 'orders'), await lab.consumer('even', 'orders', ['orders.even'])]
    await lab.settle(all, ...range(1, 30), ...range(32, 34), 40)
    await lab.settle(even, 2, 4, 8)
    await cleanup(lab).clean()
    expect([await floorOf(lab, all), await floorOf(lab, even)]).toEqual([30, 5])
    expect([await settledOf(lab, all), await settledOf(lab, even)]).toEqual([[32, 33, 34, 40], [8]])
    expect([await unsettledOf(lab, 'all'), await unsettledOf(lab, 'even')]).toEqual([16, 22])
    await lab.settle(all, 31)
    await lab.settle(even, ...range(3, 25).map((n) => 2 * n))
    await cleanup(lab).clean()
    expect([await floorOf(lab, all), await floorOf(lab, even)]).toEqual([34, 50])
    expect([await settledOf(lab, all), await settledOf(lab, even)]).toEqual([[40], []])
  })

  it('passes by what is gone, and what is owed stays owed', async () => {
    await using lab = await LedgerLab.open(server.url)
    await lab.publish(...range(1, 20).map(() => 'orders.1'))
    const consumer = await lab.consumer('all', 'orders', ['>'], 5)
    await lab.sql('insert into %.owed values ($1, 2), ($1, 4)', consumer)
    await lab.settle(consumer, 6, 7, 9, 11, 12)
    await lab.forget('orders', 8, 10)
    await cleanup(lab).clean()
    expect(await floorOf(lab, consumer)).toBe(12)
    expect(await lab.sql('select position from %.owed')).toEqual([{ position: '2' }, { position: '4' }])
    expect(await unsettledOf(lab, 'all')).toBe(8 + 2)
    await lab.forget('orders', ...range(1, 20))
    await cleanup(lab).clean()
    expect([await floorOf(lab, consumer), await unsettledOf(lab, 'all')]).toEqual([20, 0])
    await lab.publish('orders.1')
    await cleanup(lab).clean()
    expect([await floorOf(lab, consumer), await unsettledOf(lab, 'all')]).toEqual([20, 1])
  })

  it('PG-V1: never passes a message that commits late, nor one that is being settled', async () => {
    await using lab = await LedgerLab.open(server.url)
    await lab.publish(...range(1, 5).map(() => 'orders.1'))
    const consumer = await lab.consumer('all', 'orders')
    await lab.settle(consumer, 1, 2, 4, 5)
    const client = await lab.database.connect('work')
    const { schema } = lab.database
    await client.query('begin')
    await client.query(`insert into ${schema}.settled values ($1, 3)`, [consumer])
    const row = {
      ord: 0,
      stream_id: 1,
      id: 'late',
      deduped: true,
      fresh: true,
      subject: 'orders.1',
      hash: '00',
      start: 0,
      length: 0,
      bytes: 0,
    }
    const append = `select ${schema}.append_batch('11111111-1111-4111-8111-111111111111', $1, '', false, null)`
    await client.query(append, [JSON.stringify([row])])
    await cleanup(lab).clean()
    expect(await floorOf(lab, consumer)).toBe(2)
    await client.query('commit')
    client.release()
    await cleanup(lab).clean()
    expect([await floorOf(lab, consumer), await unsettledOf(lab, 'all')]).toEqual([5, 1])
  })

  it('never passes what is not settled, however many processes move it while others settle', async () => {
    await using lab = await LedgerLab.open(server.url)
    await lab.publish(...range(1, 400).map(() => 'orders.1'))
    const consumer = await lab.consumer('all', 'orders')
    const settling = async (): Promise<void> => {
      for (const n of range(0, 39)) {
        const block = range(10 * n + 1, 10 * n + 10).filter((position) => position !== 301)
        await lab.settle(consumer, ...block.toReversed())
      }
    }
    let isSettling = true
    let moves = 0
    const cleaning = async (): Promise<void> => {
      while (isSettling) {
        const statement = advanceFloor(lab.database.schema, consumer, 7)
        moves += (await lab.database.query('work', statement)).length
      }
    }
    const cleaners = [cleaning(), cleaning()]
    await settling().finally(() => {
      isSettling = false
    })
    await Promise.all(cleaners)
    expect(moves).toBeGreaterThan(0)
    await cleanup(lab).clean()
    expect([await floorOf(lab, consumer), await settledOf(lab, consumer)]).toEqual([300, range(302, 400)])
    await lab.settle(consumer, 301)
    await cleanup(lab).clean()
    expect([await floorOf(lab, consumer), await settledOf(lab, consumer)]).toEqual([400, []])
  })

  it('PG-O5: costs a few pages while it is stuck below a hundred thousand settled messages', async () => {
    await using lab = await LedgerLab.open(server.url)
    await lab.sql(
      `insert into %.ledger select 1, n, clock_timestamp(), 'i' || n, null, true, 'orders.1', null, null, '', '', 0
       from generate_series(1, 100000) n`,
    )
    const consumer = await lab.consumer('all', 'orders')
    await lab.sql('insert into %.settled select $1, n from generate_series(2, 100000) n', consumer)
    for (const table of ['ledger', 'settled']) await lab.sql(`vacuum analyze %.${table}`)
    const { text, values = [] } = advanceFloor(lab.database.schema, consumer, 1000)
    const plan = await lab.sql<Record<'QUERY PLAN', string>>(
      `explain (analyze, buffers, timing off) ${text}`,
      ...values,
    )
    const pages = plan
      .map((row) => /Buffers: shared hit=(\d+)(?: read=(\d+))?/.exec(row['QUERY PLAN']))
      .find((found) => found !== null)
    expect(Number(pages?.[1]) + Number(pages?.[2] ?? 0)).toBeLessThan(100)
    expect(await floorOf(lab, consumer)).toBe(0)
  })

  it('PG-R4: moves without a change of any index', async () => {
    await using lab = await LedgerLab.open(server.url)
    await lab.publish(...range(1, 40).map(() => 'orders.1'))
    const consumer = await lab.consumer('all', 'orders')
    for (const n of range(1, 40)) {
      await lab.settle(consumer, n)
      await lab.database.query('work', advanceFloor(lab.database.schema, consumer, 10))
    }
    const figures = async (): Promise<{ all: string; hot: string }> =>
      nth(
        await lab.sql<{ all: string; hot: string }>(
          `select n_tup_upd as all, n_tup_hot_upd as hot from pg_stat_user_tables where relid = '%.consumers'::regclass`,
        ),
        0,
      )
    await until(async () => (await figures()).all === '40', 'the statistics')
    expect((await figures()).hot).toBe('40')
  })
})
