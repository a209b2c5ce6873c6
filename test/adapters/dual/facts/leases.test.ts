/** Whose work it is: owners, leases, claims, and clocks that are wrong. Processes that die or stand still are in faults/processes.test.ts. */
import { afterAll, beforeAll, expect, it } from 'vitest'
import { lead } from '../../../../adapters/dual/sql/lead.js'
import { relayed } from '../../../../adapters/dual/sql/relayed.js'
import { takeRanges } from '../../../../adapters/dual/sql/take-ranges.js'
import { type Clock, systemClock } from '../../../../src/clock.js'
import type { Message } from '../../../../src/message.js'
import { nth, pass, range, until } from '../../../../testing/suite/expect.js'
import { type PostgresServer, startPostgres } from '../../../servers/postgres.js'
import { DualLab } from '../fixtures/dual-lab.js'
import { LedgerLab } from '../fixtures/ledger-lab.js'

const DAY_MS = 24 * 60 * 60 * 1000
const [DEAD, ONE, TWO] = [1, 2, 3].map((n) => `${n}`.repeat(8).concat('-1111-4111-8111-111111111111')) as [
  string,
  string,
  string,
]

let postgres: PostgresServer
beforeAll(async () => {
  postgres = await startPostgres()
})
afterAll(() => postgres.stop())

it('PG-L3: every bus has an owner of its own, also in one process, and another one when it starts again', async () => {
  await using lab = await DualLab.open(postgres)
  const owners = async () => (await lab.sql<{ owner: string }>('select owner from %.relays')).map(({ owner }) => owner)
  const first = await lab.bus()
  await lab.bus()
  const both = await owners()
  expect(new Set(both).size).toBe(2)
  await first.close()
  await lab.bus()
  const later = await owners()
  expect(later.filter((owner) => both.includes(owner))).toHaveLength(1)
  expect(later).toHaveLength(2)
})

it('PG-L6: of many who would lead a stream one does, and only that one takes ranges, until its time is over', async () => {
  await using lab = await LedgerLab.open(postgres.url)
  const { schema } = lab.database
  const { id } = lab.streams.require('orders')
  await lab.sql(
    'insert into %.outbox (stream_id, first, last, owner) select $1, n, n, $2 from generate_series(1, 50) n',
    id,
    DEAD,
  )
  const leads = async (who: string): Promise<boolean> =>
    (await lab.database.query('work', lead(schema, id, who, 60_000))).length > 0
  const take = async (who: string): Promise<number> =>
    (await lab.database.query('work', takeRanges(schema, id, range(1, 50).map(String), who))).length
  const candidates = range(1, 9).map((n) => `${n}`.repeat(8).concat('-2222-4222-8222-222222222222'))
  const leading = await Promise.all(candidates.map(async (who) => ((await leads(who)) ? who : undefined)))
  const [leader = '', ...others] = leading.filter((who) => who !== undefined)
  expect(others).toEqual([])
  const [loser = ''] = candidates.filter((who) => who !== leader)
  expect([await leads(leader), await leads(loser), await take(loser), await take(leader)]).toEqual([true, false, 0, 50])
  await lab.sql(`update %.leads set until = clock_timestamp() - interval '1 ms'`)
  expect([await take(leader), await leads(loser), await leads(leader), await take(loser)]).toEqual([0, true, false, 50])
})

it('PG-L2: who has lost a range to another process ends nothing', async () => {
  await using lab = await LedgerLab.open(postgres.url)
  const { id } = lab.streams.require('orders')
  await lab.sql(
    'insert into %.outbox (stream_id, first, last, owner) values ($1, 1, 1, $2), ($1, 2, 2, $3)',
    id,
    ONE,
    TWO,
  )
  await lab.database.query('work', relayed(lab.database.schema, ONE, [id, id], [1, 2]))
  expect(await lab.sql('select first, owner from %.outbox')).toEqual([{ first: '2', owner: TWO }])
})

/** A process whose wall clock is wrong; what it measures is right. */
function clockOff(byMs: number): Clock {
  return { ...systemClock, now: () => Date.now() + byMs }
}

it.each([
  ['ahead', DAY_MS],
  ['behind', -DAY_MS],
])(
  'PG-L9: a process whose clock is a day %s keeps its lease, its messages their time, and its delays their length',
  async (_, byMs) => {
    await using lab = await DualLab.open(postgres)
    const right = await lab.bus({ dual: { lease: 2000 } })
    const wrong = await lab.bus({ dual: { lease: 2000 }, clock: clockOff(byMs) })
    const leases = await lab.sql<{ left: number }>(
      'select extract(epoch from leased_until - clock_timestamp())::float8 as left from %.relays',
    )
    for (const { left } of leases) {
      expect(left).toBeGreaterThan(0)
      expect(left).toBeLessThanOrEqual(2)
    }
    const seen: Message[] = []
    await right.consume({ name: 'billing', stream: 'orders' }, (message: Message) => void seen.push(message))
    const began = performance.now()
    await wrong.publish('orders.a', 'now')
    await wrong.publish('orders.a', 'later', { delay: 400 })
    await until(() => seen.length === 2, 'both messages')
    expect(performance.now() - began).toBeGreaterThan(390)
    for (const { time } of seen) expect(Math.abs(time - Date.now())).toBeLessThan(DAY_MS / 2)
    await lab.settled('billing')
  },
)

it('PG-L4: a handler that takes longer than its ack wait and than the lease is no dead one', async () => {
  await using lab = await DualLab.open(postgres)
  const bus = await lab.bus({ dual: { lease: 1000 } })
  await lab.bus({ dual: { lease: 1000 } })
  let started = 0
  await bus.consume({ name: 'billing', stream: 'orders', ackWait: 400 }, async (_: Message, { tx }) => {
    started++
    await tx.query('select pg_sleep(1.5)')
  })
  await bus.publish('orders.a', 1)
  await lab.settled('billing')
  await pass(500)
  expect(started).toBe(1)
})

it('PG-L10: no lock belongs to a connection: what a lost one held is free at once', async () => {
  await using lab = await DualLab.open(postgres)
  const bus = await lab.bus()
  await bus.consume({ name: 'billing', stream: 'orders' }, (_: Message, { tx }) => tx.query('select 1'))
  await bus.publish('orders.a', 1)
  await lab.settled('billing')
  const taken = lab.proxy.statements.filter((text) => /advisory/.test(text))
  expect(taken.length).toBeGreaterThan(0)
  for (const text of taken) expect(text).toMatch(/pg_(try_)?advisory_xact_lock/)
  const functions = await lab.sql<{ prosrc: string }>(
    `select prosrc from pg_proc where pronamespace = '%'::regnamespace`,
  )
  for (const { prosrc } of functions) expect(prosrc).not.toMatch(/pg_(try_)?advisory_lock/)
  expect(nth(functions, 0).prosrc).not.toBe('')
})
