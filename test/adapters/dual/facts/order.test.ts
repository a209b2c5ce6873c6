/** Order per key, with several processes that publish and relay side by side. Titles begin with codes. */
import { afterAll, beforeAll, expect, it } from 'vitest'
import { jetstream } from '../../../../adapters/jetstream/index.js'
import type { Message } from '../../../../src/message.js'
import { nth, range, until } from '../../../../testing/suite/expect.js'
import { type NatsServer, startNats } from '../../../servers/nats-server.js'
import { type PostgresServer, startPostgres } from '../../../servers/postgres.js'
import { DualLab } from '../fixtures/dual-lab.js'

let postgres: PostgresServer
let nats: NatsServer
beforeAll(async () => {
  ;[postgres, nats] = await Promise.all([startPostgres(), startNats({ version: '2.15' })])
})
afterAll(() => Promise.all([postgres.stop(), nats.stop()]))

const KEYS = ['red', 'blue', 'green']
const byKey = (seen: readonly string[], key: string): string[] => seen.filter((each) => each.startsWith(key))

it('PG-O1: PG-O2: what was accepted before is handled before, whichever process published it, also while the backend comes and goes', {
  timeout: 60_000,
}, async () => {
  const inner = () => jetstream({ servers: nats.url })
  await using lab = await DualLab.open(postgres, { inner, streams: [{ name: 'swaying', subjects: ['orders.>'] }] })
  const buses = [await lab.bus(), await lab.bus()]
  const seen: string[] = []
  await nth(buses, 1).consume(
    { name: 'swaying_c', stream: 'swaying', order: 'key', ackWait: 1000 },
    ({ key, data }: Message) => {
      seen.push(`${key} ${data}`)
    },
  )
  for (const n of range(1, 60)) {
    if (n % 20 === 10) await nats.kill()
    if (n % 20 === 0) await nats.restart()
    await Promise.all(KEYS.map((key, at) => nth(buses, (n + at) % 2).publish('orders.a', n, { key, timeout: 9000 })))
  }
  await until(() => seen.length >= 180, `180 messages; seen ${seen.length}`)
  await lab.relayed()
  for (const key of KEYS) expect([...new Set(byKey(seen, key))]).toEqual(range(1, 60).map((n) => `${key} ${n}`))
})

it('PG-V2: a locked row of the outbox is waited for and not passed by', { timeout: 60_000 }, async () => {
  const inner = () => jetstream({ servers: nats.url })
  await using lab = await DualLab.open(postgres, { inner, streams: [{ name: 'locked', subjects: ['locked.>'] }] })
  const bus = await lab.bus()
  await nats.kill()
  for (const n of range(1, 5)) await bus.publish('locked.a', n, { key: 'red' })
  // What it has not sent is left to the next process, in the outbox.
  await bus.close({ within: 100 })
  const client = await lab.client()
  await client.query('begin')
  await client.query(`select from ${lab.schema}.outbox order by first limit 1 for update`)
  await nats.restart()
  const seen: unknown[] = []
  // Without an order of its own: as the relay sent them.
  const consumer = { name: 'locked_c', stream: 'locked' }
  const next = await lab.bus()
  await next.consume(consumer, ({ data }: Message) => void seen.push(data), { concurrency: 1 })
  const waiting = () => lab.count('pg_locks where not granted')
  await until(async () => seen.length > 0 || (await waiting()) > 0, 'the relay to meet the locked row')
  for (const n of range(6, 8)) await next.publish('locked.a', n, { key: 'red' })
  await client.query('commit')
  client.release()
  await lab.settled('locked_c')
  expect(seen).toEqual(range(1, 8))
})

it('PG-O3: a key whose messages fail holds up no other', async () => {
  await using lab = await DualLab.open(postgres)
  const bus = await lab.bus()
  const handled: string[] = []
  for (const n of range(1, 40)) await bus.publish('orders.a', n, { key: 'stuck' })
  for (const n of range(1, 3)) await bus.publish('orders.a', n, { key: 'free' })
  await bus.consume(
    { name: 'billing', stream: 'orders', order: 'key' },
    async ({ key, data }: Message, { tx }) => {
      await tx.query('select 1')
      if (key === 'stuck') throw new Error('always')
      handled.push(`${key} ${data}`)
    },
    { concurrency: 1, prefetch: 0, retry: { attempts: 1000, backoff: [60_000] } },
  )
  await until(() => handled.length === 3, 'the other key')
  expect(handled).toEqual(['free 1', 'free 2', 'free 3'])
})

it('PG-O2: PG-O4: delayed messages fall due in the order of their times, though several processes move them', async () => {
  await using lab = await DualLab.open(postgres)
  const first = await lab.bus()
  await first.publishBatch(range(1, 3000).map((n) => ({ to: 'orders.a', data: n, options: { delay: 60_000 + n } })))
  // As if nobody had looked for a while.
  await lab.sql(`update %.delayed set due_at = due_at - interval '1 hour'`)
  await Promise.all([lab.bus(), lab.bus(), lab.bus()])
  await lab.relayed()
  const rows = await lab.sql<{ data: string }>(
    `select convert_from(payload, 'utf8') as data from %.ledger order by position`,
  )
  expect(rows.map(({ data }) => Number(data))).toEqual(range(1, 3000))
})

const WAYS = [1, 4, 16].flatMap((concurrency) =>
  [1, 8].flatMap((prefetch) => [1, 4].map((partitions) => ({ concurrency, prefetch, partitions }))),
)

it.each(WAYS)(
  'PG-O6: keys keep their order with concurrency $concurrency, prefetch $prefetch, partitions $partitions',
  async ({ partitions, ...pool }) => {
    await using lab = await DualLab.open(postgres)
    const bus = await lab.bus()
    const seen: string[] = []
    const running = new Set<string>()
    for (const n of range(1, 8)) for (const key of KEYS) await bus.publish('orders.a', n, { key })
    await bus.consume(
      { name: 'billing', stream: 'orders', order: 'key', ...(partitions === 1 ? {} : { partitions }) },
      async ({ key = '', data }: Message, { tx, attempt }) => {
        expect(running.has(key)).toBe(false)
        running.add(key)
        await tx.query('select 1')
        running.delete(key)
        if (data === 3 && attempt === 1) throw new Error('once')
        seen.push(`${key} ${data}`)
      },
      { ...pool, retry: { attempts: 3, backoff: [30] } },
    )
    await lab.settled('billing')
    for (const key of KEYS) expect(byKey(seen, key)).toEqual(range(1, 8).map((n) => `${key} ${n}`))
  },
)
