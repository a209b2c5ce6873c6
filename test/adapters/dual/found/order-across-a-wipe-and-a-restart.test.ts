/** Order by key when JetStream loses everything and a process starts before anybody has noticed: it declares the streams, and they are empty. */
import { rm } from 'node:fs/promises'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { dual } from '../../../../adapters/dual/index.js'
import { jetstream } from '../../../../adapters/jetstream/index.js'
import { createBus, type MessageBus } from '../../../../src/index.js'
import { until } from '../../../../testing/suite/expect.js'
import { type NatsServer, startNats } from '../../../servers/nats-server.js'
import { type PostgresServer, startPostgres } from '../../../servers/postgres.js'

let nats: NatsServer
let postgres: PostgresServer
beforeAll(async () => {
  ;[nats, postgres] = await Promise.all([startNats({ version: '2.15' }), startPostgres()])
})
afterAll(async () => {
  await Promise.all([nats.stop(), postgres.stop()])
})

it('handles what a wiped JetStream had before what a process publishes that started after the wipe', async () => {
  const before = await connected()
  await (await consume(before, [])).stop()
  for (const number of [1, 2, 3]) await publish(before, number)
  await until(async () => (await before.verify({ stream: 'orders' })).inner === 3, 'JetStream has them')
  await before.close()

  await nats.kill()
  await rm(nats.storeDir, { recursive: true })
  await nats.restart()
  await using after = await connected()
  await publish(after, 4)
  await until(async () => (await after.verify({ stream: 'orders' })).inner > 0, 'JetStream has something again')
  const handled: number[] = []
  await consume(after, handled)

  await until(() => handled.length >= 4, `all four; handled ${handled}`)
  expect(handled).toEqual([1, 2, 3, 4])
}, 60_000)

async function connected(): Promise<MessageBus> {
  const inner = jetstream({ servers: nats.url })
  const adapter = dual({ inner, connection: postgres.url, schema: 'order_across_a_restart', compareEvery: '3s' })
  const bus = createBus({ adapter, streams: [{ name: 'orders', subjects: ['orders.>'] }] })
  await bus.connect()
  return bus
}

function consume(bus: MessageBus, handled: number[]) {
  return bus.consume({ stream: 'orders', name: 'billing', from: 'all', order: 'key' }, ({ data }) => {
    handled.push(Number(data))
  })
}

async function publish(bus: MessageBus, number: number): Promise<void> {
  await bus.publish('orders.new', number, { key: 'one', timeout: '10s' })
}
