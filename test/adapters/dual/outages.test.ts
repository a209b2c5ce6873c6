/** What a bus with a ledger does while one of its servers is away, and what it says. */
import { rm } from 'node:fs/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { dual } from '../../../adapters/dual/index.js'
import { jetstream } from '../../../adapters/jetstream/index.js'
import { createBus, type MessageBus, NotAcceptedError } from '../../../src/index.js'
import { range, until } from '../../../testing/suite/expect.js'
import { type NatsServer, startNats } from '../../servers/nats-server.js'
import { type PostgresServer, startPostgres } from '../../servers/postgres.js'

let nats: NatsServer
let postgres: PostgresServer
let schemas = 0

beforeAll(async () => {
  ;[nats, postgres] = await Promise.all([startNats({ version: '2.15' }), startPostgres()])
})
afterAll(async () => {
  await Promise.all([nats.stop(), postgres.stop()])
})

async function openBus(): Promise<MessageBus> {
  const schema = `outages_${++schemas}`
  const inner = jetstream({ servers: nats.url })
  const adapter = dual({ inner, connection: postgres.url, schema, compareEvery: '1s' })
  const bus = createBus({ adapter, streams: [{ name: schema, subjects: [`${schema}.>`] }] })
  await bus.connect()
  return bus
}

/** The link comes back with pauses, and who serves an ordered consumer must hear of its lease first: half a minute on a slow machine. */
async function eventually(condition: () => boolean, what: string): Promise<void> {
  for (let tries = 1; ; tries++) {
    const isThere = await until(condition, what).then(
      () => true,
      (thrown: unknown) => {
        if (tries === 4) throw thrown
        return false
      },
    )
    if (isThere) return
  }
}

describe('while the broker is down', () => {
  it('publishes are accepted, and handled in the order of their keys when it is back', async () => {
    await using bus = await openBus()
    const stream = `outages_${schemas}`
    const handled: unknown[] = []
    await bus.consume({ name: `${stream}-billing`, stream, order: 'key' }, ({ data }) => handled.push(data))
    await bus.publish(`${stream}.a`, 0, { key: 'k' })
    await until(() => handled.length === 1, 'the first message')
    await nats.kill()
    for (const n of range(1, 20)) {
      const receipt = await bus.publish(`${stream}.a`, n, { key: 'k', timeout: '15s' })
      expect([receipt.sequence, receipt.durability]).toEqual([n + 1, 'ledger'])
    }
    await until(async () => (await bus.health()).status === 'degraded', 'the outage to be noticed')
    expect((await bus.health()).reasons.join()).toContain('accepted')
    await nats.restart()
    await eventually(() => handled.length === 21, 'the rest')
    expect(handled).toEqual(range(0, 20))
    await until(async () => (await bus.health()).status === 'ok', 'the bus to be well')
  }, 120_000)

  it('everything is deleted from it, and nothing that was accepted is lost or handled twice in one transaction', async () => {
    await using bus = await openBus()
    const stream = `outages_${schemas}`
    await bus.transaction((tx) => tx.query(`create table effects_${stream} (n int not null)`))
    await bus.publishBatch(range(1, 30).map((n) => ({ to: `${stream}.a`, data: n, options: { key: `k${n % 3}` } })))
    await bus.consume({ name: `${stream}-billing`, stream, order: 'key', ackWait: '1s' }, ({ data }, { tx }) =>
      tx.query(`insert into effects_${stream} values ($1)`, [data]),
    )
    const written = async (): Promise<number[]> => {
      const query = `select n from effects_${stream} order by n`
      return (await bus.transaction((tx) => tx.query<{ n: number }>(query))).rows.map(({ n }) => n)
    }
    await until(async () => (await written()).length === 30, 'the first effects')
    await nats.kill()
    await rm(nats.storeDir, { recursive: true })
    for (const n of range(31, 40)) await bus.publish(`${stream}.a`, n, { key: `k${n % 3}`, timeout: '15s' })
    await nats.restart()
    await until(async () => (await written()).length === 40, 'all effects')
    await until(async () => (await bus.verify({ stream })).isSame, 'JetStream to be what it was')
    expect(await written()).toEqual(range(1, 40))
  }, 120_000)
})

describe('while PostgreSQL is down', () => {
  it('publishes are refused and never appear, health says so, and all is well when it is back', async () => {
    await using bus = await openBus()
    const stream = `outages_${schemas}`
    await bus.publish(`${stream}.a`, 'before')
    await postgres.kill()
    const id = 'refused'
    const error = await bus.publish(`${stream}.a`, 'while', { id, timeout: 700 }).catch((thrown: unknown) => thrown)
    await until(async () => (await bus.health()).status === 'down', 'the outage to be noticed')
    await postgres.restart()
    await until(async () => (await bus.health()).status === 'ok', 'the bus to be well')
    await bus.publish(`${stream}.a`, 'after', { timeout: '15s' })
    const kept: unknown[] = []
    for await (const message of bus.replay({ stream })) kept.push(message.data)
    if (error instanceof NotAcceptedError) expect(kept).toEqual(['before', 'after'])
    else expect(kept.filter((data) => data !== 'while')).toEqual(['before', 'after'])
  }, 120_000)
})
