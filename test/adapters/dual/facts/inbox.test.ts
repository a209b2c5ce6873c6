/** What a handler writes through `ctx.tx` is there once. Titles begin with codes. */
import { afterAll, beforeAll, expect, it } from 'vitest'
import { MemoryBroker, memory } from '../../../../adapters/memory/index.js'
import type { Adapter } from '../../../../src/adapter.js'
import { Reject } from '../../../../src/errors.js'
import type { Message } from '../../../../src/message.js'
import type { MessageBus } from '../../../../src/message-bus.js'
import type { Pool } from '../../../../src/worker-pool-options.js'
import { nth, range, until } from '../../../../testing/suite/expect.js'
import { type PostgresServer, startPostgres } from '../../../servers/postgres.js'
import { DualLab } from '../fixtures/dual-lab.js'

let postgres: PostgresServer
beforeAll(async () => {
  postgres = await startPostgres()
})
afterAll(() => postgres.stop())

const AGAIN = { retry: { attempts: 10, backoff: [30] }, dedup: 0 } as const

async function labWithEffects(): Promise<{ readonly lab: DualLab; readonly bus: MessageBus }> {
  const lab = await DualLab.open(postgres)
  const bus = await lab.bus()
  await lab.sql('create table %.effects (consumer text, data text)')
  return { lab, bus }
}

const effects = async (lab: DualLab): Promise<string[]> =>
  (await lab.sql<{ effect: string }>(`select consumer || ' ' || data as effect from %.effects order by 1`)).map(
    ({ effect }) => effect,
  )

it('PG-I1: PG-L7: a handler that fails after it claimed and wrote is run again, and writes once', async () => {
  const { lab, bus } = await labWithEffects()
  await using _ = lab
  const attempts: number[] = []
  await bus.consume(
    { name: 'billing', stream: 'orders' },
    async ({ data }: Message, { tx, attempt }) => {
      attempts.push(attempt)
      await tx.query(`insert into ${lab.schema}.effects values ('billing', $1)`, [data])
      if (attempt < 3) throw new Error('not yet')
    },
    AGAIN,
  )
  await bus.publish('orders.a', 'x')
  await lab.settled('billing')
  expect(attempts).toEqual([1, 2, 3])
  expect(await effects(lab)).toEqual(['billing x'])
})

it('PG-I1: PG-L6: two attempts at one message at the same time write once, whoever is first', async () => {
  const { lab, bus } = await labWithEffects()
  await using _ = lab
  let [running, most] = [0, 0]
  await bus.consume(
    { name: 'billing', stream: 'orders', ackWait: 400 },
    async ({ data }: Message, { tx, signal, attempt }) => {
      most = Math.max(most, ++running)
      // The first one is given up by the bus, and goes on all the same.
      if (attempt === 1) await new Promise((resolve) => signal.addEventListener('abort', resolve))
      await tx.query(`insert into ${lab.schema}.effects values ('billing', $1)`, [data]).catch(() => {})
      running--
    },
    { ...AGAIN, timeout: 300 },
  )
  await bus.publish('orders.a', 'x')
  await lab.settled('billing')
  await until(() => running === 0, 'both to end')
  expect(await effects(lab)).toEqual(['billing x'])
})

it('PG-I1: PG-L6: an attempt that begins while another one is at it waits for its end, and writes nothing then', async () => {
  const broker = new MemoryBroker()
  await using lab = await DualLab.open(postgres, { inner: () => deaf(memory({ broker })) })
  let isOpen = false
  const started: string[] = []
  const pools: Pool[] = []
  for (const name of ['first', 'second']) {
    const bus = await lab.bus()
    await lab.sql('create table if not exists %.effects (consumer text, data text)')
    const pool = await bus.consume(
      { name: 'billing', stream: 'orders', ackWait: 300 },
      async (_: Message, { tx }) => {
        started.push(name)
        await tx.query(`insert into ${lab.schema}.effects values ($1, 'x')`, [name])
        await until(() => isOpen, 'the gate')
      },
      AGAIN,
    )
    pools.push(pool)
    if (name === 'first') await bus.publish('orders.a', 'x')
    await until(() => started.includes(name), `the ${name} handler`)
  }
  await until(async () => (await lab.count(`pg_locks where not granted`)) > 0, 'the second attempt to wait')
  isOpen = true
  await lab.settled('billing')
  await until(() => pools.every((pool) => pool.stats().inFlight + pool.stats().waiting === 0), 'both attempts to end')
  expect(await effects(lab)).toEqual(['first x'])
})

/** As the adapter, but it does not hear that a message is still being worked on: it comes again though its handler runs. */
function deaf(adapter: Adapter): Adapter {
  const settle: Adapter['settle'] = (deliveries, settlement) =>
    settlement.kind === 'working' ? undefined : adapter.settle(deliveries, settlement)
  return new Proxy(adapter, {
    get: (target, name) => {
      if (name === 'settle') return settle
      const value: unknown = Reflect.get(target, name, target)
      return typeof value === 'function' ? value.bind(target) : value
    },
  })
}

it('PG-I2: every consumer handles a message for itself', async () => {
  const { lab, bus } = await labWithEffects()
  await using _ = lab
  for (const name of ['billing', 'audit'])
    await bus.consume({ name, stream: 'orders' }, ({ data }: Message, { tx }) =>
      tx.query(`insert into ${lab.schema}.effects values ($1, $2)`, [name, data]),
    )
  for (const n of range(1, 5)) await bus.publish('orders.a', n)
  await lab.settled('billing', 'audit')
  expect(await effects(lab)).toEqual([
    ...range(1, 5).map((n) => `audit ${n}`),
    ...range(1, 5).map((n) => `billing ${n}`),
  ])
})

it('PG-I4: a message that is rejected becomes one dead letter and is settled by it, and nothing else of it stays', async () => {
  const { lab, bus } = await labWithEffects()
  await using _ = lab
  await bus.consume({ name: 'billing', stream: 'orders' }, async ({ data }: Message, { tx }) => {
    await tx.query(`insert into ${lab.schema}.effects values ('billing', $1)`, [data])
    throw new Reject('bad')
  })
  for (const n of range(1, 5)) await bus.publish('orders.a', n)
  await lab.settled('billing')
  expect(await lab.ids('dead')).toHaveLength(5)
  expect(await effects(lab)).toEqual([])
  expect(await lab.count('%.inbox')).toBe(0)
})

it.each(['read committed', 'repeatable read', 'serializable'])(
  'PG-I5: effects and positions are right when transactions are %s by default',
  async (level) => {
    const { lab, bus } = await labWithEffects()
    await using _ = lab
    const connection = `${lab.url}?options=-c%20default_transaction_isolation%3D${level.replace(' ', '%5C%20')}`
    const buses = [await lab.bus({ dual: { connection } }), await lab.bus({ dual: { connection } })]
    const shown = await nth(buses, 0).transaction((tx) =>
      tx.query<{ level: string }>(`select current_setting('transaction_isolation') as level`),
    )
    expect(nth(shown.rows, 0).level).toBe(level)
    for (const each of buses)
      await each.consume(
        { name: 'billing', stream: 'orders', ackWait: 500 },
        ({ data }: Message, { tx }) => tx.query(`insert into ${lab.schema}.effects values ('billing', $1)`, [data]),
        AGAIN,
      )
    const receipts = await Promise.all(
      range(101, 160).map((n) => nth([...buses, bus], n % 3).publish('orders.a', n, { id: `m${n}`, timeout: 9000 })),
    )
    expect(receipts.map(({ sequence }) => sequence).toSorted((a, b) => a - b)).toEqual(range(1, 60))
    await lab.settled('billing')
    expect(await effects(lab)).toEqual(range(101, 160).map((n) => `billing ${n}`))
  },
)
