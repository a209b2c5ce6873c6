/** What arrives while the ledger is asked about earlier messages must not be overtaken, at whatever moment it arrives. */
import { afterAll, beforeAll, expect, it } from 'vitest'
import { LedgerFeed } from '../../../../adapters/dual/consume/ledger-feed.js'
import { toInner } from '../../../../adapters/dual/stamp.js'
import { memory } from '../../../../adapters/memory/index.js'
import type { Delivery, Sink } from '../../../../src/adapter.js'
import { systemClock } from '../../../../src/clock.js'
import { silentLogger } from '../../../../src/logger.js'
import { NO_HEADERS } from '../../../../src/message.js'
import { resolveConsumer } from '../../../../src/topology.js'
import { until } from '../../../../testing/suite/expect.js'
import { type PostgresServer, startPostgres } from '../../../servers/postgres.js'
import { LedgerLab } from '../fixtures/ledger-lab.js'

let postgres: PostgresServer
beforeAll(async () => {
  postgres = await startPostgres()
})
afterAll(() => postgres.stop())

it('hands out in the order of arrival what comes just after the ledger has answered', async () => {
  await using lab = await LedgerLab.open(postgres.url)
  await lab.publish('orders.1', 'orders.2', 'orders.3')
  await lab.sql('update %.ledger set time = to_timestamp(position)')
  const id = await lab.consumer('billing', 'orders')
  const heard: number[] = []
  const sink: Sink = {
    deliver: (deliveries) => {
      heard.push(...deliveries.map(({ message }) => message.sequence))
      // Later than this call, and before anything that is later still.
      if (heard.length === 1) void Promise.resolve().then(() => feed.deliver([arriving(2)]))
    },
    awaiting: () => {},
    gone: () => {},
  }
  const host = { clock: systemClock, logger: silentLogger, random: Math.random, strict: false }
  const standing = { id, innerFrom: 'all', floor: 0, owed: new Set<number>(), highest: 0 } as const
  const definition = resolveConsumer({ stream: 'orders', name: 'billing' }, ['orders.>'])
  const feed = new LedgerFeed(
    {
      database: lab.database,
      inner: memory(),
      host,
      standing,
      definition,
      onMissing: () => {},
    },
    sink,
  )

  feed.deliver([arriving(1, 2)])
  await until(() => heard.length > 0, 'the first message')
  feed.deliver([arriving(3)])

  await until(() => heard.length >= 3, `all three messages; heard ${heard}`)
  expect(heard).toEqual([1, 2, 3])
})

/** As the inner backend brings it: a second attempt is something to ask the ledger about. */
function arriving(position: number, attempt = 1): Delivery {
  const message = { id: `note-${position}`, subject: `orders.${position}`, key: undefined, headers: NO_HEADERS }
  const stamp = { position, timeMs: 1000 * position, isAgain: false }
  const sent = toInner({ ...message, payload: new Uint8Array(), text: undefined }, stamp)
  return {
    attempt,
    expiresAt: performance.now() + 30_000,
    message: { ...sent, stream: 'orders', sequence: position, time: stamp.timeMs },
  }
}
