/** Counters, times and locks of a stream: exact without reading rows, growing whatever the clock does, and never in each other's way. */
import { afterAll, beforeAll, expect, it } from 'vitest'
import { inspectLedger } from '../../../../adapters/dual/report/inspect.js'
import { type ConsumerFigures, consumerFigures } from '../../../../adapters/dual/sql/consumer-figures.js'
import { streamFigures } from '../../../../adapters/dual/sql/stream-figures.js'
import type { Message } from '../../../../src/message.js'
import { nth, range, until } from '../../../../testing/suite/expect.js'
import { type PostgresServer, startPostgres } from '../../../servers/postgres.js'
import { DualLab } from '../fixtures/dual-lab.js'
import { LedgerLab } from '../fixtures/ledger-lab.js'
import { cleanup } from '../fixtures/tidying.js'

const HOUR_MS = 3_600_000

let postgres: PostgresServer
beforeAll(async () => {
  postgres = await startPostgres({ settings: { deadlock_timeout: '100ms' } })
})
afterAll(() => postgres.stop())

/** On a machine that is busy with other things: 40 s. */
async function eventually(condition: () => boolean | Promise<boolean>, what: string, tries = 4): Promise<void> {
  await until(condition, what).catch((thrown: unknown) => {
    if (tries === 1) throw thrown
    return eventually(condition, what, tries - 1)
  })
}

async function counted(lab: LedgerLab): Promise<unknown> {
  const rows = await lab.sql<Record<string, string>>(
    `select s.messages, s.bytes, count(l.*) as rows, coalesce(sum(l.bytes), 0) as sum
     from %.streams s left join %.ledger l on l.stream_id = s.id group by s.id order by s.id`,
  )
  return rows.map(({ messages, bytes, rows: there, sum }) => [messages === there, bytes === sum])
}

it('a stream of any kind is counted as it grows and shrinks, and asking for its figures reads no rows', async () => {
  const streams = [
    { name: 'orders', subjects: ['orders.>'] },
    { name: 'queue', subjects: ['queue.>'], retention: 'workqueue' },
    { name: 'interest', subjects: ['interest.>'], retention: 'interest' },
    { name: 'small', subjects: ['small.>'], maxMessages: 3, discard: 'old' },
  ] as const
  await using lab = await LedgerLab.open(postgres.url, streams)
  const worker = await lab.consumer('worker', 'queue')
  await lab.consumer('reader', 'interest', ['interest.1'])
  const all = range(1, 9).flatMap((n) => streams.map(({ name }) => `${name}.${n % 3}`))
  await lab.publish(...all, ...all)
  await lab.forget('orders', 1, 4, 4, 99)
  await lab.settle(worker, 1, 2, 3)
  expect(await counted(lab)).toEqual(streams.map(() => [true, true]))
  const { streams: figures } = await inspectLedger(lab.database, lab.streams)
  expect(figures.map(({ messages }) => messages)).toEqual([16, 15, 6, 3])
  await lab.sql('vacuum analyze %.ledger')
  const { text } = streamFigures(lab.database.schema)
  const plan = (await lab.sql<Record<string, string>>(`explain (analyze, costs off) ${text}`)).map(
    (row) => row['QUERY PLAN'],
  )
  for (const line of plan.filter((row) => /Scan.* on ledger/.test(row ?? ''))) expect(line).toMatch(/rows=1(\.00)? /)
})

it('a limit that is set later finds the stream counted, and applies at once', async () => {
  await using lab = await LedgerLab.open(postgres.url)
  await lab.publish(...range(1, 10).map((n) => `orders.${n}`))
  await lab.declare([{ name: 'orders', subjects: ['orders.>'], maxMessages: 4, discard: 'old' }])
  expect(await counted(lab)).toEqual([[true, true]])
  expect((await inspectLedger(lab.database, lab.streams)).streams).toMatchObject([{ messages: 4, firstSequence: 7 }])
})

it('the lag of a consumer that is far behind is estimated from its first rows, and of any other exact', async () => {
  await using lab = await LedgerLab.open(postgres.url)
  await lab.publish(...range(1, 500).map((n) => `orders.${n % 2 === 0 ? 'even' : 'odd'}`))
  await lab.forget('orders', ...range(401, 420))
  await lab.consumer('all', 'orders')
  await lab.consumer('even', 'orders', ['orders.even'])
  await lab.consumer('near', 'orders', ['>'], 390)
  await lab.sql('select %.skip_to(1, 1000000)')
  await lab.publish('orders.odd')
  const figures = async (rows?: number): Promise<unknown> =>
    (await lab.database.query<ConsumerFigures>('work', consumerFigures(lab.database.schema, rows))).map(
      ({ name, unsettled }) => [name, Number(unsettled)],
    )
  expect(await figures()).toEqual([
    ['all', 481],
    ['even', 240],
    ['near', 91],
  ])
  // 100 of 500 positions, in which every row is there.
  expect(await figures(100)).toEqual([
    ['all', 481],
    ['even', 251],
    ['near', 91],
  ])
})

it('PG-V6: times grow with positions also when the clock was put back, whichever way a message comes', async () => {
  await using lab = await DualLab.open(postgres, {
    streams: [{ name: 'orders', subjects: ['orders.>'], maxAge: '90m' }],
  })
  const bus = await lab.bus()
  await bus.publish('orders.a', 1)
  // As if it had been published before the clock was put back by an hour.
  const ahead = `clock_timestamp() + interval '1 hour'`
  await lab.sql(
    `with s as (update %.streams set last_time = ${ahead} returning last_time) update %.ledger set time = s.last_time from s`,
  )
  const at = Date.now() + HOUR_MS / 2
  await bus.publish('orders.a', 2)
  await bus.transaction((tx) => tx.publish('orders.a', 3))
  await bus.publish('orders.a', 4, { delay: 1 })
  await until(async () => (await lab.count('%.ledger')) === 4, 'the delayed message')
  const times = (await lab.sql<{ time: Date }>('select time from %.ledger order by position')).map(({ time }) =>
    Number(time),
  )
  expect(times).toEqual(times.toSorted((a, b) => a - b))
  const found: unknown[] = []
  for await (const { data } of bus.replay({ stream: 'orders', from: { time: at } })) found.push(data)
  expect(found).toEqual([1, 2, 3, 4])
})

it('nobody waits in a circle: handlers publish into the stream that they settle, while others append, settle, trim and clean', {
  timeout: 60_000,
}, async () => {
  const streams = [
    { name: 'queue', subjects: ['queue.>'], retention: 'workqueue', maxMessages: 100_000, maxAge: '1d' },
    { name: 'other', subjects: ['other.>'], retention: 'interest', maxMessages: 50, discard: 'old' },
  ] as const
  await using lab = await DualLab.open(postgres, { streams })
  const buses = await Promise.all([lab.bus(), lab.bus()])
  await using tidy = await LedgerLab.open(postgres.url, [], { schema: lab.schema })
  const deadlocks = async (): Promise<number> =>
    Number(
      nth(await lab.sql<{ deadlocks: string }>('select sum(deadlocks) as deadlocks from pg_stat_database'), 0)
        .deadlocks,
    )
  const before = await deadlocks()
  let done = 0
  for (const bus of buses) {
    await bus.consume({ name: 'worker', stream: 'queue' }, async ({ data, subject }: Message, { tx }) => {
      await tx.query('select 1')
      if (Number(data) > 0) await tx.publish(subject, Number(data) - 1)
      await tx.publish('other.a', data)
      done++
    })
    await bus.consume({ name: 'watcher', stream: 'other' }, async ({ data }: Message, { tx }) => {
      await tx.query('select 1')
      if (Number(data) === 3) await tx.publish('queue.b', 0)
    })
  }
  const publishing = buses.map(async (bus) => {
    for (const _ of range(1, 12)) await Promise.all([bus.publish('queue.a', 3), bus.publish('other.b', 1)])
  })
  const cleaning = range(1, 10).map(() => cleanup(tidy).clean())
  await Promise.all([...publishing, ...cleaning])
  await eventually(() => done >= 96, 'the work to be done')
  await lab.settled('worker')
  // The server counts when a transaction ends that lost.
  expect((await deadlocks()) - before).toBe(0)
})
