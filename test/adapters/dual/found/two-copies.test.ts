/** Two copies of a message in the inner stream, as when it was lost during its rebuild: each is counted for itself over there. */
import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { STAMP_HEADER } from '../../../../adapters/dual/stamp.js'
import { MemoryBroker, memory } from '../../../../adapters/memory/index.js'
import { systemClock } from '../../../../src/clock.js'
import type { HandlerContext } from '../../../../src/index.js'
import { silentLogger } from '../../../../src/logger.js'
import { nth, range, until } from '../../../../testing/suite/expect.js'
import { type PostgresServer, startPostgres } from '../../../servers/postgres.js'
import { DualLab } from '../fixtures/dual-lab.js'

const BACKOFF_MS = 400

let postgres: PostgresServer
beforeAll(async () => {
  postgres = await startPostgres()
})
afterAll(() => postgres.stop())

// What another process is at is not known, only what failed there (ADR 9): among two, the copy comes afterwards.
it.each([
  { order: undefined, processes: 1 },
  { order: 'key', processes: 1 },
  { order: undefined, processes: 2 },
] as const)(
  'attempts rise and keep their backoff: order $order, processes: $processes',
  async ({ order, processes }) => {
    const broker = new MemoryBroker()
    await using lab = await DualLab.open(postgres, { inner: () => memory({ broker }) })
    const attempts: { readonly number: number; readonly at: number }[] = []
    const handler = async (_: unknown, { attempt }: HandlerContext): Promise<void> => {
      attempts.push({ number: attempt, at: performance.now() })
      if (attempt === 1 && processes === 1) await copyAgain(broker)
      if (attempt < 4) throw new Error('not yet')
    }
    const retry = { backoff: [BACKOFF_MS], jitter: 0 }
    const consumer = { name: 'billing', stream: 'orders', ...(order && { order }) }
    const buses = await Promise.all(range(1, processes).map(() => lab.bus({ dual: { compareEvery: 0 } })))
    const pools = await Promise.all(buses.map((bus) => bus.consume(consumer, handler, { retry })))
    await nth(buses, 0).publish('orders.a', 1, { key: 'k' })
    if (processes === 2) {
      await until(async () => (await lab.count('%.failed')) === 1, 'the first attempt to be counted')
      await copyAgain(broker)
    }
    await lab.settled('billing')
    await until(() => pools.every((pool) => pool.stats().lag === 0), 'both copies to be gone')

    expect(attempts.map(({ number }) => number)).toEqual([1, 2, 3, 4])
    for (const n of range(1, 3))
      expect(nth(attempts, n).at - nth(attempts, n - 1).at).toBeGreaterThan(0.95 * BACKOFF_MS)
    expect(await lab.count('%.failed')).toBe(0)
  },
)

it('a copy that was looked up before an attempt failed does not start as if none had', async () => {
  const broker = new MemoryBroker()
  await using lab = await DualLab.open(postgres, { inner: () => memory({ broker }) })
  const attempts: number[] = []
  const question = lab.proxy.at(/is_foreign/, { delayMs: 0 })
  const handler = async (_: unknown, { attempt }: HandlerContext): Promise<void> => {
    attempts.push(attempt)
    if (attempt > 1) return
    await copyAgain(broker)
    await question.met
    throw new Error('not yet')
  }
  const bus = await lab.bus({ dual: { compareEvery: 0 } })
  const pool = await bus.consume({ name: 'billing', stream: 'orders' }, handler, { retry: { backoff: [10] } })
  await answerLate(lab)
  await bus.publish('orders.a', 1)
  await lab.settled('billing')
  await until(() => pool.stats().lag === 0, 'both copies to be gone')
  expect(attempts).toEqual([1, 2])
})

/** The answer to whether something is settled is of 300 ms ago. */
async function answerLate(lab: DualLab): Promise<void> {
  await lab.sql('alter function %.is_settled rename to is_settled_now')
  await lab.sql(
    `create function %.is_settled(c int, f bigint, p bigint) returns boolean language plpgsql stable as $$
     begin perform pg_sleep(0.3); return %.is_settled_now(c, f, p); end $$`,
  )
}

/** Once more what lies in the inner stream, marked as the relay marks what it sends again. */
async function copyAgain(broker: MemoryBroker): Promise<void> {
  const inner = memory({ broker })
  await inner.open({ clock: systemClock, logger: silentLogger, random: Math.random, strict: false })
  for await (const message of inner.read({ stream: 'orders', filters: ['orders.>'], from: 'all' })) {
    const headers = { ...message.headers, [STAMP_HEADER]: `${message.headers[STAMP_HEADER]} again` }
    const { id, subject, key, payload } = message
    const copy = { id, subject, key, payload, headers, dedupId: randomUUID(), isFresh: false, delayMs: 0 }
    await inner.publish([copy], 5000)
  }
  await inner.close()
}
