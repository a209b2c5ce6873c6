/** Settlements that PostgreSQL does not take at once: repeated while the message is ours, and not a moment longer. */
import { afterAll, beforeAll, expect, it } from 'vitest'
import { LedgerDelivery } from '../../../../adapters/dual/consume/ledger-delivery.js'
import { Settlements, settledStatement } from '../../../../adapters/dual/consume/settlements.js'
import type { Message } from '../../../../src/message.js'
import { NO_HEADERS } from '../../../../src/message.js'
import { range, refuses, until } from '../../../../testing/suite/expect.js'
import { HandClock } from '../../../hand-clock.js'
import { type PgProxy, startPgProxy } from '../../../servers/pg-proxy.js'
import { type PostgresServer, startPostgres } from '../../../servers/postgres.js'
import { DualLab } from '../fixtures/dual-lab.js'
import { LedgerLab } from '../fixtures/ledger-lab.js'

const TEST = { timeout: 60_000 }

let postgres: PostgresServer
let proxy: PgProxy
beforeAll(async () => {
  postgres = await startPostgres()
  proxy = await startPgProxy(postgres.port)
})
afterAll(async () => {
  await proxy.stop()
  await postgres.stop()
})

function delivery(consumer: number, sequence: number, expiresAt: number): LedgerDelivery {
  const message = { stream: 'orders', sequence, time: 0, id: `i${sequence}`, subject: 'orders.a', key: undefined }
  const stored = { ...message, headers: NO_HEADERS, payload: Buffer.from('1') }
  return new LedgerDelivery(stored, { message: stored, attempt: 1, expiresAt }, consumer)
}

it.each(['cut before', 'swallow and cut'] as const)(
  'a settlement of which nothing is heard (%s) is repeated, and no handler runs again, long before the ack wait is over',
  TEST,
  async (act) => {
    await using lab = await DualLab.open(postgres)
    const bus = await lab.bus()
    const seen: unknown[] = []
    lab.proxy.at(/\.settle\(/, act, { times: 4 })
    await bus.consume(
      { name: 'billing', stream: 'orders', order: 'key', ackWait: '5m' },
      ({ data }: Message, { attempt }) => void seen.push([data, attempt]),
    )
    for (const n of range(1, 3)) await bus.publish('orders.a', n, { key: 'k' })
    await until(() => seen.length === 3, 'the messages of the key')
    await lab.settled('billing')
    expect(seen).toEqual([1, 2, 3].map((n) => [n, 1]))
  },
)

it('is given up when the ack wait is over, unless that was extended, or when the adapter closes', TEST, async () => {
  await using lab = await LedgerLab.open(proxy.url, undefined, { schema: 'given_up' })
  await lab.publish('orders.1', 'orders.2', 'orders.3')
  const consumer = await lab.consumer('billing', 'orders')
  const clock = new HandClock()
  const settlements = new Settlements(lab.database, clock, settledStatement)
  const fault = proxy.at(/given_up.*\.settle\(/, 'cut before', { times: 1000 })
  const inner = { message: delivery(consumer, 3, 0).message, attempt: 1, expiresAt: 1000 }
  const [short, long] = [delivery(consumer, 1, 1000), delivery(consumer, 2, 60_000)]
  const extended = new LedgerDelivery(inner.message, inner, consumer)
  const given = refuses('BUS_UNAVAILABLE', () => settlements.record([short]))
  let isRecorded = false
  const kept = Promise.all([settlements.record([long]), settlements.record([extended])]).then(() => {
    isRecorded = true
  })
  await until(() => clock.timers > 0, 'a pause')
  clock.advance(900)
  inner.expiresAt = clock.monotonic() + 60_000
  await until(() => clock.timers > 0, 'a pause')
  clock.advance(600)
  await given
  expect(isRecorded).toBe(false)
  fault.lift()
  await until(() => {
    clock.advance(600)
    return isRecorded
  }, 'the others to be recorded')
  await kept
  expect(await lab.sql('select position from %.settled order by position')).toEqual([
    { position: '2' },
    { position: '3' },
  ])
  const another = proxy.at(/given_up.*\.settle\(/, 'cut before', { times: 1000 })
  const closed = refuses('BUS_UNAVAILABLE', () => settlements.record([delivery(consumer, 1, 60_000)]))
  await another.met
  await settlements.close()
  await closed
  another.lift()
})
