/** Defaults of a database that are not PostgreSQL's: its isolation changes nothing, and where it is read-only nothing is accepted. */
import { afterAll, beforeAll, expect, it } from 'vitest'
import { NotAcceptedError } from '../../../../src/errors.js'
import type { Message } from '../../../../src/message.js'
import { range, until } from '../../../../testing/suite/expect.js'
import { type PostgresServer, startPostgres } from '../../../servers/postgres.js'
import { DualLab } from '../fixtures/dual-lab.js'

const TEST = { timeout: 60_000 }

let postgres: PostgresServer
beforeAll(async () => {
  postgres = await startPostgres()
})
afterAll(() => postgres.stop())

/** For connections that are made from now on. */
async function withDefault(lab: DualLab, setting: string, work: () => Promise<void>): Promise<void> {
  const [name = ''] = setting.split(' ')
  await lab.sql(`alter database postgres set ${setting}`)
  try {
    await work()
  } finally {
    const client = await lab.client()
    await client.query('begin read write')
    await client.query(`alter database postgres reset ${name}`)
    await client.query('commit')
    client.release()
  }
}

async function disconnectAll(lab: DualLab): Promise<void> {
  await lab.sql(`select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'busbar'`)
}

it(
  'PG-I5: a database that is serializable by default is migrated, provisioned, published to, consumed and repaired by many at once',
  TEST,
  async () => {
    await using lab = await DualLab.open(postgres)
    await withDefault(lab, `default_transaction_isolation = 'serializable'`, async () => {
      const buses = await Promise.all(
        range(1, 4).map((n) => lab.bus({ isDirect: true, dual: { pooler: n % 2 === 0 } })),
      )
      const seen: unknown[] = []
      for (const bus of buses)
        await bus.consume({ name: 'billing', stream: 'orders' }, ({ data }: Message) => void seen.push(data))
      await Promise.all(
        buses.flatMap((bus, at) =>
          range(1, 25).map((n) => bus.publish('orders.a', 100 * at + n, { key: `k${n % 3}`, id: `${at} ${n}` })),
        ),
      )
      await lab.settled('billing')
      expect(new Set(seen).size).toBe(100)
      const [bus] = buses
      const isolation = await bus?.transaction((tx) => tx.query('show transaction_isolation'))
      expect(isolation?.rows).toEqual([{ transaction_isolation: 'serializable' }])
      expect(await bus?.repair({ stream: 'orders' })).toMatchObject({ isSame: true })
    })
  },
)

it(
  'PG-D6: a database that is read-only by default accepts nothing, says so, and everything again afterwards',
  TEST,
  async () => {
    await using lab = await DualLab.open(postgres)
    const bus = await lab.bus({ isDirect: true })
    await bus.publish('orders.a', 'before')
    await lab.relayed()
    await withDefault(lab, 'default_transaction_read_only = on', async () => {
      await disconnectAll(lab)
      const late = await lab.bus({ isDirect: true })
      for (const each of [bus, late]) {
        const refused = await each.publish('orders.a', 'while', { timeout: '15s' }).catch((thrown: unknown) => thrown)
        expect(refused).toBeInstanceOf(NotAcceptedError)
        await until(async () => (await each.health()).reasons.join().includes('read-only'), 'health to say so')
      }
    })
    await disconnectAll(lab)
    await bus.publish('orders.a', 'after', { timeout: '15s' })
    const kept: unknown[] = []
    for await (const { data } of bus.replay({ stream: 'orders' })) kept.push(data)
    expect(kept).toEqual(['before', 'after'])
  },
)
