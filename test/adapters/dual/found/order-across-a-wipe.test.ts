/** Order by key when JetStream loses everything: what is published afterwards must not be handled before what has to be sent again. */
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

it('handles what a wiped JetStream had before what is published after the wipe', async () => {
  const adapter = dual({
    inner: jetstream({ servers: nats.url }),
    connection: postgres.url,
    schema: 'order_across_a_wipe',
    compareEvery: '3s',
  })
  await using bus = createBus({ adapter, streams: [{ name: 'orders', subjects: ['orders.>'] }] })
  await bus.connect()
  const handled: number[] = []
  const consume = () =>
    bus.consume({ stream: 'orders', name: 'billing', from: 'all', order: 'key' }, ({ data }) => {
      handled.push(Number(data))
    })
  await (await consume()).stop()
  for (const number of [1, 2, 3]) await publish(bus, number)
  await until(async () => (await bus.verify({ stream: 'orders' })).inner === 3, 'JetStream has them')

  await nats.kill()
  await rm(nats.storeDir, { recursive: true })
  await publish(bus, 4)
  await nats.restart()
  await until(async () => (await bus.verify({ stream: 'orders' })).inner > 0, 'JetStream has something again')
  await consume()

  await until(() => handled.length >= 4, `all four; handled ${handled}`)
  expect(handled).toEqual([1, 2, 3, 4])
}, 60_000)

async function publish(bus: MessageBus, number: number): Promise<void> {
  await bus.publish('orders.new', number, { key: 'one', timeout: '10s' })
}
