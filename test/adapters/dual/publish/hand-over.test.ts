/** Several processes whose messages wait for each other: one of them relays everything, and none falls behind for ever. */
import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { Relay } from '../../../../adapters/dual/relay/relay.js'
import { memory } from '../../../../adapters/memory/index.js'
import type { Adapter } from '../../../../src/adapter.js'
import { systemClock } from '../../../../src/clock.js'
import { silentLogger } from '../../../../src/logger.js'
import { range, until } from '../../../../testing/suite/expect.js'
import { type PostgresServer, startPostgres } from '../../../servers/postgres.js'
import { LedgerLab } from '../fixtures/ledger-lab.js'

const MESSAGES = 400
/** With the steps of a relay that takes turns it would be one for each message. */
const FEW_STEPS = 40

let postgres: PostgresServer
beforeAll(async () => {
  postgres = await startPostgres()
})
afterAll(() => postgres.stop())

/** A backend that has taken everything, and tells in how many calls and in which order. */
function counting(): { readonly adapter: Adapter; readonly calls: number[][] } {
  const calls: number[][] = []
  const publish: Adapter['publish'] = async (batch) => {
    calls.push(batch.map(({ headers }) => Number(headers['Busbar-Ledger']?.split(' ')[0])))
    return batch.map(() => ({ status: 'accepted', stream: 'orders', sequence: 1, duplicate: false }) as const)
  }
  const adapter = new Proxy(memory(), {
    get: (target, name) => (name === 'publish' ? publish : Reflect.get(target, name, target)),
  })
  return { adapter, calls }
}

it('what several processes have left in turns is relayed in order, by one of them, in few steps', async () => {
  await using lab = await LedgerLab.open(postgres.url)
  const { id } = lab.streams.require('orders')
  const owners = [randomUUID(), randomUUID(), randomUUID()]
  for (const n of range(1, MESSAGES)) await lab.publish({ subject: 'orders.a', key: `k${n % 3}` })
  for (const owner of owners)
    await lab.sql(`insert into %.relays values ($1, clock_timestamp() + interval '1 hour')`, owner)
  await lab.sql('update %.outbox set owner = ($1::uuid[])[1 + mod(first, 3)] where stream_id = $2', owners, id)
  const { adapter, calls } = counting()
  const { database, streams } = lab
  const relays = owners.map(
    (owner) =>
      new Relay({
        ...{ database, streams, inner: adapter, owner, leaseMs: 60_000, repairRate: 1 },
        onRelayed: () => {},
        onLost: async () => {},
      }),
  )
  const host = { clock: systemClock, logger: silentLogger, random: Math.random, strict: false }
  for (const relay of relays) await relay.open(host)
  for (const relay of relays) relay.nudge()
  await until(async () => (await lab.sql('select first from %.outbox')).length === 0, 'an empty outbox')
  for (const relay of relays) await relay.close()
  const sent = calls.flat()
  // Whoever comes second may send what the first had not ended yet.
  const firsts = sent.filter((position, at) => sent.indexOf(position) === at)
  expect(firsts).toEqual(range(1, MESSAGES))
  expect(calls.length).toBeLessThan(FEW_STEPS)
})

it('messages wait for older ones of their own keys only', async () => {
  await using lab = await LedgerLab.open(postgres.url)
  const [us, them] = [randomUUID(), randomUUID()]
  await lab.publish({ subject: 'orders.a', key: 'red' })
  await lab.sql('update %.outbox set owner = $1', them)
  const isBehind = async (...keys: (string | null)[]): Promise<boolean | undefined> => {
    const stream = lab.streams.require('orders').id
    const [row] = await lab.sql<{ behind: boolean }>('select %.is_behind($1, $2, $3) as behind', stream, us, keys)
    return row?.behind
  }
  expect(await isBehind('red', 'blue')).toBe(true)
  expect(await isBehind('blue')).toBe(false)
  expect(await isBehind(null)).toBe(false)
  // Who stored them relays them before anything else of theirs.
  await lab.sql('update %.outbox set owner = $1', us)
  expect(await isBehind('red')).toBe(false)
})
