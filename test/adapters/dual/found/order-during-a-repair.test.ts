/** Order by key while a stream that is gone is repaired: from the moment that it exists again, nothing new may come before what it had. */
import { rm } from 'node:fs/promises'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { dual } from '../../../../adapters/dual/index.js'
import { jetstream } from '../../../../adapters/jetstream/index.js'
import type { Adapter } from '../../../../src/adapter.js'
import { createBus, type MessageBus } from '../../../../src/index.js'
import { pass, until } from '../../../../testing/suite/expect.js'
import { type NatsServer, startNats } from '../../../servers/nats-server.js'
import { type PostgresServer, startPostgres } from '../../../servers/postgres.js'

/** Enough for a message to be published, relayed and handled; when it is not, the test proves less, and does not fail for it. */
const A_WHILE_MS = 1500

let nats: NatsServer
let postgres: PostgresServer
beforeAll(async () => {
  ;[nats, postgres] = await Promise.all([startNats({ version: '2.15' }), startPostgres()])
})
afterAll(async () => {
  await Promise.all([nats.stop(), postgres.stop()])
})

it('handles what a lost stream had before what is published as soon as it exists again', async () => {
  let onProvisioned = async (): Promise<void> => {}
  const inner = afterProvisioning(jetstream({ servers: nats.url }), () => onProvisioned())
  const adapter = dual({ inner, connection: postgres.url, schema: 'order_during_a_repair', compareEvery: 0 })
  await using bus = createBus({ adapter, streams: [{ name: 'orders', subjects: ['orders.>'] }] })
  await bus.connect()
  const handled: number[] = []
  await (await consume(bus, handled)).stop()
  for (const number of [1, 2, 3]) await publish(bus, number)
  await until(async () => (await bus.verify({ stream: 'orders' })).inner === 3, 'JetStream has them')

  await nats.kill()
  await rm(nats.storeDir, { recursive: true })
  await nats.restart()
  await until(async () => (await bus.health()).status === 'ok', 'the bus is connected again')
  let published = Promise.resolve()
  onProvisioned = async () => {
    onProvisioned = async () => {}
    published = publish(bus, 4)
    await consume(bus, handled)
    await pass(A_WHILE_MS)
  }
  await bus.repair({ stream: 'orders' })
  await published

  await until(() => handled.length >= 4, `all four; handled ${handled}`)
  expect(handled).toEqual([1, 2, 3, 4])
}, 60_000)

function afterProvisioning(adapter: Adapter, then: () => Promise<void>): Adapter {
  const provision: Adapter['provision'] = async (streams) => {
    const report = await adapter.provision(streams)
    await then()
    return report
  }
  return new Proxy(adapter, {
    get: (target, name) => {
      const value = name === 'provision' ? provision : Reflect.get(target, name, target)
      return typeof value === 'function' ? value.bind(target) : value
    },
  })
}

function consume(bus: MessageBus, handled: number[]) {
  return bus.consume({ stream: 'orders', name: 'billing', from: 'all', order: 'key' }, ({ data }) => {
    handled.push(Number(data))
  })
}

async function publish(bus: MessageBus, number: number): Promise<void> {
  await bus.publish('orders.new', number, { key: 'one', timeout: '10s' })
}
