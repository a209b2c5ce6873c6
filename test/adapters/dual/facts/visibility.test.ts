/** What becomes visible late: nothing is passed by because of it, and what does not concern us holds up nothing. Titles begin with codes. */
import { afterAll, beforeAll, expect, it } from 'vitest'
import type { Message } from '../../../../src/message.js'
import type { MessageBus } from '../../../../src/message-bus.js'
import { nth, range, until } from '../../../../testing/suite/expect.js'
import { type PostgresServer, startPostgres } from '../../../servers/postgres.js'
import { DualLab, ORDERS } from '../fixtures/dual-lab.js'

let postgres: PostgresServer
beforeAll(async () => {
  postgres = await startPostgres({ settings: { max_prepared_transactions: '2' } })
})
afterAll(() => postgres.stop())

/** Commits that wait for the lock of their stream. */
const LOCKED = `pg_locks where locktype = 'advisory' and not granted`

/** Everybody who sees messages: a consumer, and a reader that follows. */
async function watch(lab: DualLab, bus: MessageBus) {
  const seen = { handled: [] as number[], followed: [] as number[] }
  await bus.consume({ name: 'billing', stream: 'orders' }, ({ sequence }: Message) => void seen.handled.push(sequence))
  await bus.subscribe('orders.>', ({ sequence }: Message) => void seen.followed.push(sequence), { from: 'all' })
  const all = async (count: number): Promise<void> => {
    const isThere = (): boolean => seen.handled.length >= count && seen.followed.length >= count
    await until(isThere, `${count} messages; handled ${seen.handled}, followed ${seen.followed}`)
    await lab.settled('billing')
    expect(seen.handled.toSorted((a, b) => a - b)).toEqual(range(1, count))
    expect(seen.followed).toEqual(range(1, count))
  }
  return { seen, all }
}

it('PG-V1: what a long transaction of the application published first is missed by nobody, and what others publish meanwhile is not either', async () => {
  await using lab = await DualLab.open(postgres)
  const [one, two] = [await lab.bus(), await lab.bus()]
  const { all } = await watch(lab, two)
  const client = await lab.client()
  await client.query('begin')
  await one.transaction((tx) => tx.publish('orders.first', 'first'), { client })
  const meanwhile = range(1, 5).flatMap((n) =>
    [one, two].map((bus) => bus.publish('orders.then', n, { timeout: 9000 })),
  )
  await until(async () => (await lab.count(LOCKED)) > 0, 'a publish to wait')
  await client.query('commit')
  client.release()
  await Promise.all(meanwhile)
  await all(11)
  expect(nth(await lab.sql<{ subject: string }>('select subject from %.ledger where position = 1'), 0).subject).toBe(
    'orders.first',
  )
})

it('PG-V1: transactions of every length, of several processes, leave no hole behind a reader', async () => {
  await using lab = await DualLab.open(postgres)
  const buses = [await lab.bus(), await lab.bus(), await lab.bus()]
  const { all } = await watch(lab, nth(buses, 2))
  const works = range(0, 59).map(async (n) => {
    const bus = nth(buses, n % 3)
    if (n % 2 === 0) return bus.publish('orders.alone', n)
    return bus.transaction(async (tx) => {
      await tx.publish('orders.together', n)
      await tx.query(`select pg_sleep(${(n % 7) / 100})`)
    })
  })
  await Promise.all(works)
  await all(60)
})

it('PG-V1: PG-U7: what a transaction published that was rolled back was never there, and leaves no hole', async () => {
  await using lab = await DualLab.open(postgres)
  const bus = await lab.bus()
  const { all } = await watch(lab, bus)
  await bus.publish('orders.a', 1)
  const client = await lab.client()
  await client.query('begin')
  await bus.transaction((tx) => tx.publish('orders.phantom', 'phantom'), { client })
  await client.query('rollback')
  client.release()
  await bus.publish('orders.a', 2)
  await all(2)
})

it('PG-V3: PG-L1: open and prepared transactions that have nothing to do with it hold up neither publishing nor relaying nor reading', async () => {
  await using lab = await DualLab.open(postgres)
  const bus = await lab.bus()
  const idle = await lab.client()
  await idle.query('begin isolation level serializable')
  await idle.query(`create table ${lab.schema}.unrelated as select pg_current_xact_id() as xid`)
  const prepared = await lab.client()
  await prepared.query('begin')
  await prepared.query(`select pg_current_xact_id(), count(*) from ${lab.schema}.ledger`)
  await prepared.query(`prepare transaction '${lab.schema}'`)
  prepared.release()
  const { all } = await watch(lab, bus)
  for (const n of range(1, 10)) await bus.publish('orders.a', n)
  await bus.publish('orders.late', 11, { delay: 20 })
  await all(11)
  expect(await lab.count('%.outbox')).toBe(0)
  await idle.query('rollback')
  idle.release()
  await lab.sql(`rollback prepared '${lab.schema}'`)
})

it('PG-V5: PG-V6: positions have no gaps, and times follow them, however long ago a transaction began', async () => {
  await using lab = await DualLab.open(postgres)
  const bus = await lab.bus()
  await bus.transaction(async (tx) => {
    await tx.query('select 1')
    await bus.publish('orders.a', 'published while the transaction is open')
    await tx.publish('orders.b', 'published by it')
  })
  await expect(
    bus.transaction(async (tx) => {
      await tx.publish('orders.c', 'never')
      throw new Error('the application changes its mind')
    }),
  ).rejects.toThrow('changes its mind')
  await bus.publish('orders.d', 'last')
  const rows = await lab.sql<{ position: string; subject: string; time: Date }>(
    'select position, subject, time from %.ledger order by position',
  )
  expect(rows.map(({ position, subject }) => [Number(position), subject])).toEqual([
    [1, 'orders.a'],
    [2, 'orders.b'],
    [3, 'orders.d'],
  ])
  const times = rows.map(({ time }) => time.getTime())
  expect(times).toEqual(times.toSorted((a, b) => a - b))
})

it('PG-V4: whatever waits for the lock of a stream is one commit, and other streams do not wait', async () => {
  await using lab = await DualLab.open(postgres, { streams: [ORDERS, { name: 'notes', subjects: ['notes.>'] }] })
  const bus = await lab.bus()
  const client = await lab.client()
  await client.query('begin')
  await bus.transaction((tx) => tx.publish('orders.first', 'first'), { client })
  const waiting = range(1, 300).map((n) => bus.publish('orders.then', n, { timeout: 9000 }))
  await until(async () => (await lab.count(LOCKED)) > 0, 'a publish to wait')
  await bus.publish('notes.a', 'meanwhile')
  expect(await lab.count(LOCKED)).toBe(1)
  await client.query('commit')
  client.release()
  await Promise.all(waiting)
  const commits = await lab.count(`(select distinct xmin::text from %.ledger where subject = 'orders.then') as commits`)
  expect(commits).toBeLessThanOrEqual(3)
})
