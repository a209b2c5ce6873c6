/** NOTIFY is not used, and nothing is left on a connection: every transaction may get another one. Titles begin with codes. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { dual } from '../../../../adapters/dual/index.js'
import { MemoryBroker, memory } from '../../../../adapters/memory/index.js'
import { adapterSuite } from '../../../../testing/adapter-suite.js'
import { pass, range } from '../../../../testing/suite/expect.js'
import { codeOfAsync } from '../../../code-of.js'
import { type PgPooler, startPgPooler } from '../../../servers/pg-pooler.js'
import { type PostgresServer, startPostgres } from '../../../servers/postgres.js'
import { DualLab } from '../fixtures/dual-lab.js'
import { Life } from '../fixtures/life.js'

let postgres: PostgresServer
let pooler: PgPooler
beforeAll(async () => {
  postgres = await startPostgres()
  pooler = await startPgPooler(postgres.port)
})
afterAll(async () => {
  await pooler.stop()
  await postgres.stop()
})

it('PG-N1: PG-N2: PG-N3: PG-N4: nobody is notified, and no commit can wait for those who listen', async () => {
  await using lab = await DualLab.open(postgres)
  const listener = await lab.client()
  await listener.query('listen anything')
  // What is notified stays in the queue for as long as a listener does not end its transaction.
  await listener.query('begin')
  await listener.query('select 1')
  const bus = await lab.bus()
  const life = new Life(lab, bus)
  await life.prepare()
  await life.live()
  await life.judge()
  expect(await lab.sql('select pg_notification_queue_usage() as used')).toEqual([{ used: 0 }])
  for (const statement of lab.proxy.statements) expect(statement).not.toMatch(/\b(notify|listen|pg_notify)\b/i)
  const functions = await lab.sql<{ prosrc: string }>(
    `select prosrc from pg_proc where pronamespace = '%'::regnamespace`,
  )
  expect(functions.length).toBeGreaterThan(0)
  for (const { prosrc } of functions) expect(prosrc).not.toMatch(/\b(notify|pg_notify)\b/i)
  await listener.query('rollback')
  listener.release(true)
})

it('PG-N4: polling costs little while nothing happens', async () => {
  await using lab = await DualLab.open(postgres)
  const bus = await lab.bus()
  await bus.consume({ name: 'billing', stream: 'orders' }, () => {})
  await bus.publish('orders.a', 1, { delay: 10 })
  await lab.settled('billing')
  const before = lab.proxy.statements.length
  await pass(2000)
  expect(lab.proxy.statements.slice(before).length).toBeLessThan(30)
})

it('PG-P1: PG-P2: PG-P3: everything works when every transaction gets another connection', async () => {
  await using lab = await DualLab.open(postgres)
  const served = [...pooler.served]
  const bus = await lab.bus({ dual: { connection: pooler.url, pooler: true } })
  const life = new Life(lab, bus)
  await life.prepare()
  await life.live()
  await life.judge()
  const more = pooler.served.map((count, at) => count - (served[at] ?? 0))
  for (const count of more) expect(count).toBeGreaterThan(5)
  expect(pooler.prepared).toEqual([])
})

it('PG-P1: a pooler that nobody was told of is noticed when the bus connects, not later', async () => {
  await using lab = await DualLab.open(postgres)
  expect(await codeOfAsync(lab.bus({ dual: { connection: pooler.url } }))).toBe('BUS_UNAVAILABLE')
})

describe('the conformance suite through a pooler in transaction mode', () => {
  const GROUPS = new Set(['publish', 'settle', 'order', 'dedup', 'delayed', 'dead letter', 'ledger', 'transactions'])
  const broker = new MemoryBroker()
  const connect = (connection: string) =>
    dual({ inner: memory({ broker }), connection, schema: 'pooled', pooler: true })
  const groups = adapterSuite({
    name: 'dual(memory), pooled',
    supports: connect('postgres://nobody@127.0.0.1:1/none').supports,
    connect: () => connect(pooler.url),
  }).filter(({ name }) => GROUPS.has(name.split(': ')[1] ?? ''))

  it('has the groups that are meant', () => expect(groups).toHaveLength(GROUPS.size))
  for (const { name, scenarios } of groups)
    describe(name, () => {
      for (const { title, run } of scenarios) it(title, run)
    })
})

it('PG-P2: a transaction that its process left is ended, and its connection serves others', async () => {
  await using lab = await DualLab.open(postgres)
  const bus = await lab.bus({ dual: { connection: pooler.url, pooler: true } })
  await Promise.allSettled(
    range(1, 12).map((n) =>
      bus.transaction(async (tx) => {
        await tx.publish('orders.a', n)
        await tx.query('select 1')
        throw new Error('changed its mind')
      }),
    ),
  )
  for (const n of range(1, 12)) expect((await bus.publish('orders.a', n)).sequence).toBe(n)
})
