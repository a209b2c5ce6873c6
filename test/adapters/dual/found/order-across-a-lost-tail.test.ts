/**
 * Order by key for a consumer that was behind when JetStream lost messages: what came after the
 * loss waits for what is sent again, and the stream is mended long before it is compared by the clock.
 */
import { cp, rm } from 'node:fs/promises'
import { jetstreamManager } from '@nats-io/jetstream'
import { connect } from '@nats-io/transport-node'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { dual } from '../../../../adapters/dual/index.js'
import { jetstream } from '../../../../adapters/jetstream/index.js'
import { createBus, type MessageBus } from '../../../../src/index.js'
import { range, until } from '../../../../testing/suite/expect.js'
import { type NatsServer, startNats } from '../../../servers/nats-server.js'
import { type PostgresServer, startPostgres } from '../../../servers/postgres.js'

let nats: NatsServer
let postgres: PostgresServer
beforeEach(async () => {
  ;[nats, postgres] = await Promise.all([startNats({ version: '2.15' }), startPostgres()])
})
afterEach(async () => {
  await Promise.all([nats.stop(), postgres.stop()])
})

/** An alarm, a comparison and a repair, on a machine that does other things. */
const REPAIRED_MS = 40_000
const orders = { stream: 'orders', name: 'billing', from: 'all', order: 'key' } as const

it.each([
  ['the whole stream', {}],
  ['some of its subjects', { subjects: ['orders.new'] }],
  ['its keys divided', { partitions: 2 }],
])(
  'waits for the tail that an older copy of JetStream lacks: who reads %s',
  async (_who, how) => {
    await using bus = open()
    await bus.connect()
    const handled: number[] = []
    const handle = ({ data }: { data: unknown }): void => void handled.push(Number(data))
    const consumer = { ...orders, ...how }
    await (await bus.consume(consumer, handle)).stop()
    await publish(bus, 1, 2, 3)
    await relayed(bus, 3)
    const copy = `${nats.storeDir}-copy`
    await nats.kill()
    await cp(nats.storeDir, copy, { recursive: true })
    await nats.restart()
    await publish(bus, 4, 5, 6)
    await relayed(bus, 6)

    await nats.kill()
    await rm(nats.storeDir, { recursive: true })
    await cp(copy, nats.storeDir, { recursive: true })
    await rm(copy, { recursive: true })
    await nats.restart()
    // In the stream before anybody has compared it with the ledger.
    await publish(bus, 7, 8)
    await relayed(bus, 5)
    await bus.consume(consumer, handle)

    await until(() => handled.length >= 8, 'all eight', REPAIRED_MS)
    expect(handled).toEqual([1, 2, 3, 4, 5, 6, 7, 8])
  },
  60_000,
)

it.each([
  ['the whole stream', {}],
  ['some of its subjects', { subjects: ['orders.new'] }],
])(
  'waits for the messages of a hole: who reads %s',
  async (_who, how) => {
    await using bus = open()
    await bus.connect()
    const handled: number[] = []
    await publish(bus, 1, 2, 3, 4)
    await relayed(bus, 4)
    await lose(2, 3)

    await bus.consume({ ...orders, ...how }, ({ data }) => void handled.push(Number(data)))

    await until(() => handled.length >= 4, 'all four', REPAIRED_MS)
    expect(handled).toEqual([1, 2, 3, 4])
  },
  60_000,
)

it('waits no longer once nothing else can be handed out for it', async () => {
  await using bus = open('report')
  await bus.connect()
  const handled: number[] = []
  await publish(bus, ...range(1, 22))
  await relayed(bus, 22)
  await lose(2)

  const few = { ...orders, maxInFlight: 10 }
  await bus.consume(few, ({ data }) => void handled.push(Number(data)))

  const kept = range(1, 22).filter((number) => number !== 2)
  await until(() => handled.length >= kept.length, 'all that is there', REPAIRED_MS)
  expect(handled).toEqual(kept)
  expect((await bus.verify({ stream: 'orders' })).missing).toBe(1)
}, 60_000)

function open(repair: 'auto' | 'report' = 'auto'): MessageBus {
  const adapter = dual({
    inner: jetstream({ servers: nats.url }),
    connection: postgres.url,
    compareEvery: '1h',
    repair,
  })
  return createBus({ adapter, streams: [{ name: 'orders', subjects: ['orders.>'] }] })
}

async function publish(bus: MessageBus, ...numbers: readonly number[]): Promise<void> {
  for (const number of numbers) await bus.publish('orders.new', number, { key: 'one', timeout: '10s' })
}

function relayed(bus: MessageBus, count: number): Promise<void> {
  return until(async () => (await bus.verify({ stream: 'orders' })).inner >= count, `JetStream has ${count}`)
}

async function lose(...sequences: readonly number[]): Promise<void> {
  const connection = await connect({ servers: nats.url })
  const manager = await jetstreamManager(connection)
  for (const sequence of sequences) await manager.streams.deleteMessage('orders', sequence)
  await connection.close()
}
