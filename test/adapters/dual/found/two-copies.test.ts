/** Two copies of a message in the inner stream, as when it was lost during its rebuild: each is counted for itself over there. */
import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, expect, it } from 'vitest'
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

it.each([undefined, 'key'] as const)('attempts rise and keep their backoff, order: %s', async (order) => {
  const broker = new MemoryBroker()
  await using lab = await DualLab.open(postgres, { inner: () => memory({ broker }) })
  const bus = await lab.bus({ dual: { compareEvery: 0 } })
  const attempts: { readonly number: number; readonly at: number }[] = []
  const handler = async (_: unknown, { attempt }: HandlerContext): Promise<void> => {
    attempts.push({ number: attempt, at: performance.now() })
    if (attempt === 1) await copyAgain(broker)
    if (attempt < 4) throw new Error('not yet')
  }
  const retry = { backoff: [BACKOFF_MS], jitter: 0 }
  const pool = await bus.consume({ name: 'billing', stream: 'orders', ...(order && { order }) }, handler, { retry })
  await bus.publish('orders.a', 1, { key: 'k' })
  await lab.settled('billing')
  await until(async () => pool.stats().lag === 0, 'both copies to be gone')

  expect(attempts.map(({ number }) => number)).toEqual([1, 2, 3, 4])
  for (const n of range(1, 3)) expect(nth(attempts, n).at - nth(attempts, n - 1).at).toBeGreaterThan(0.95 * BACKOFF_MS)
})

/** Once more what lies in the inner stream. */
async function copyAgain(broker: MemoryBroker): Promise<void> {
  const inner = memory({ broker })
  await inner.open({ clock: systemClock, logger: silentLogger, random: Math.random, strict: false })
  for await (const message of inner.read({ stream: 'orders', filters: ['orders.>'], from: 'all' }))
    await inner.publish([{ ...message, dedupId: randomUUID(), isFresh: false, delayMs: 0 }], 5000)
  await inner.close()
}
