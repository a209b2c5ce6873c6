/** The client library and its connections: lost, half open, used up. Titles begin with codes. */
import pg from 'pg'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { NotAcceptedError, OutcomeUnknownError } from '../../../../src/errors.js'
import type { Message } from '../../../../src/message.js'
import { nth, range, until } from '../../../../testing/suite/expect.js'
import { type PostgresServer, startPostgres } from '../../../servers/postgres.js'
import { startProxy } from '../../../servers/proxy.js'
import { DualLab } from '../fixtures/dual-lab.js'

const CONNECTIONS = 40
/** PG-J2. */
const DETECTED_MS = 15_000

let postgres: PostgresServer
beforeAll(async () => {
  postgres = await startPostgres({ settings: { max_connections: String(CONNECTIONS) } })
})
afterAll(() => postgres.stop())

const END_ALL = `select count(pg_terminate_backend(pid)) from pg_stat_activity where application_name = 'busbar'`

it('PG-J1: connections that end while they rest, publish, or belong to a handler end no process', async () => {
  await using lab = await DualLab.open(postgres)
  const bus = await lab.bus()
  await lab.sql('create table %.effects (data text)')
  let isWaiting = false
  let goOn: () => void = () => {}
  const ended = new Promise<void>((resolve) => {
    goOn = resolve
  })
  await bus.consume(
    { name: 'billing', stream: 'orders', ackWait: 500 },
    async ({ data }: Message, { tx, attempt }) => {
      await tx.query(`insert into ${lab.schema}.effects values ($1)`, [data])
      isWaiting = true
      if (attempt === 1) await ended
    },
    { retry: { attempts: 9, backoff: [20] } },
  )
  await bus.publish('orders.a', 'x')
  await until(() => isWaiting, 'the handler')
  for (let n = 0; n < 5; n++) {
    const published = bus.publish('orders.a', n, { id: `m${n}`, timeout: 9000 })
    await lab.sql(END_ALL)
    await published
  }
  goOn()
  await lab.settled('billing')
  expect(await lab.count('%.effects')).toBe(6)
})

it('PG-U2: whatever is ended under load, what is accepted is there once, and what is rejected is not', async () => {
  await using lab = await DualLab.open(postgres)
  const bus = await lab.bus()
  const [accepted, rejected, unknown] = [new Set<string>(), new Set<string>(), new Set<string>()]
  const publish = async (id: string): Promise<void> => {
    try {
      await bus.publish('orders.a', id, { id, timeout: 300 })
      accepted.add(id)
    } catch (thrown) {
      if (thrown instanceof OutcomeUnknownError) unknown.add(id)
      else if (thrown instanceof NotAcceptedError) rejected.add(id)
      else throw thrown
    }
  }
  for (const round of range(1, 40)) {
    const publishing = range(1, 10).map((n) => publish(`m${round}-${n}`))
    if (round % 2 === 0) await lab.sql(END_ALL)
    await Promise.all(publishing)
  }
  const ids = await lab.ids()
  expect(new Set(ids).size).toBe(ids.length)
  expect([...accepted].filter((id) => !ids.includes(id))).toEqual([])
  expect([...rejected].filter((id) => ids.includes(id))).toEqual([])
  expect(accepted.size + rejected.size + unknown.size).toBe(400)
  await lab.relayed()
})

it('PG-J2: a half-open connection is noticed within 15 s, and meanwhile nothing is promised', {
  timeout: 60_000,
}, async () => {
  await using lab = await DualLab.open(postgres)
  const link = await startProxy(postgres.port)
  const bus = await lab.bus({ dual: { connection: `postgres://busbar@127.0.0.1:${link.port}/postgres` } })
  await bus.publish('orders.a', 1)
  link.stall()
  const began = performance.now()
  await expect(bus.publish('orders.a', 2, { id: 'two', timeout: 500 })).rejects.toBeInstanceOf(OutcomeUnknownError)
  await until(async () => (await bus.health()).status === 'down', 'health to tell')
  // New connections pass; those that were stalled stay as they are.
  const patience = performance.now() + DETECTED_MS
  link.cut()
  link.pass()
  await bus.publish('orders.a', 3, { timeout: patience - performance.now() })
  expect(performance.now() - began).toBeLessThan(2 * DETECTED_MS)
  await link.stop()
})

it('PG-J2: PG-J3: a connection that gives no answer is given up in time and never used again', {
  timeout: 60_000,
}, async () => {
  await using lab = await DualLab.open(postgres)
  const bus = await lab.bus()
  await bus.publish('orders.a', 1)
  const fault = lab.proxy.at(/append_batch/, 'swallow')
  await expect(bus.publish('orders.a', 2, { id: 'two', timeout: 500 })).rejects.toBeInstanceOf(OutcomeUnknownError)
  await fault.done
  const receipt = await bus.publish('orders.a', 3, { timeout: DETECTED_MS })
  expect(receipt.sequence).toBe(3)
  expect(await bus.publish('orders.a', 2, { id: 'two' })).toMatchObject({ sequence: 2, duplicate: true })
  await lab.relayed()
})

it('PG-J3: an answer that comes after its time is not taken for the answer to something else', async () => {
  await using lab = await DualLab.open(postgres)
  const bus = await lab.bus({ dual: { statementTimeout: 200 } })
  const late = lab.proxy.at(/append_batch/, { delayMs: 3000 })
  const receipts = await Promise.all(
    range(1, 20).map((n) => bus.publish('orders.a', n, { id: `m${n}`, timeout: 9000 })),
  )
  expect(late.isMet).toBe(true)
  const ids = await lab.ids()
  expect(ids).toHaveLength(20)
  for (const { id, sequence } of receipts) expect(nth(ids, sequence - 1)).toBe(id)
})

it('PG-J4: every connection has its limits', async () => {
  await using lab = await DualLab.open(postgres)
  const bus = await lab.bus({ dual: { statementTimeout: 7000 } })
  const shown = await bus.transaction((tx) =>
    tx.query(`select current_setting('statement_timeout') as statement, current_setting('lock_timeout') as lock,
      current_setting('idle_in_transaction_session_timeout') as idle`),
  )
  expect(shown.rows).toEqual([{ statement: '7s', lock: '7s', idle: '70s' }])
})

it('PG-J5: handlers that hold every connection of theirs hold up neither publishing nor relaying nor each other’s settling', async () => {
  await using lab = await DualLab.open(postgres)
  const bus = await lab.bus({ dual: { transactions: 2 } })
  let [holding, isOpen] = [0, false]
  await bus.consume({ name: 'holders', stream: 'orders', filter: 'orders.hold' }, async (_: Message, { tx }) => {
    await tx.query('select 1')
    holding++
    await until(() => isOpen, 'the gate')
  })
  const seen: unknown[] = []
  await bus.consume(
    { name: 'billing', stream: 'orders', filter: 'orders.free' },
    ({ data }: Message) => void seen.push(data),
  )
  for (const n of range(1, 6)) await bus.publish('orders.hold', n)
  await until(() => holding === 2, 'two handlers that hold all')
  for (const n of range(1, 20)) await bus.publish('orders.free', n)
  await until(() => seen.length === 20, 'the others')
  await lab.settled('billing')
  expect(holding).toBe(2)
  isOpen = true
  await lab.settled('holders')
})

it('PG-J6: when the server has no connection left, a publish is rejected for now, and stored by nobody', async () => {
  await using lab = await DualLab.open(postgres)
  const bus = await lab.bus()
  await bus.publish('orders.a', 0)
  const taken: pg.Client[] = []
  const take = async (): Promise<boolean> => {
    const client = new pg.Client({ connectionString: postgres.url })
    client.on('error', () => {})
    try {
      await client.connect()
    } catch {
      return false
    }
    taken.push(client)
    return true
  }
  await take()
  const admin = nth(taken, 0)
  await until(async () => {
    const { rows } = await admin.query<{ count: string }>(END_ALL)
    return !(await take()) && rows[0]?.count === '0'
  }, 'every connection to be taken')
  for (const n of range(1, 15)) {
    const error = await bus
      .publish('orders.a', n, { id: `m${n}`, timeout: 40 + 7 * n })
      .catch((thrown: unknown) => thrown)
    expect(error).toBeInstanceOf(NotAcceptedError)
    expect(error).toMatchObject({ code: 'BUS_UNAVAILABLE', retryable: true })
  }
  await Promise.all(taken.map((client) => client.end()))
  await bus.publish('orders.a', 'again', { id: 'again' })
  expect((await lab.ids()).slice(1)).toEqual(['again'])
})
