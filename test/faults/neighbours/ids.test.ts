/** Elsewhere an id was noted as taken before it was certain that its message is stored: what came later under that id was dropped. */
import { jetstreamManager } from '@nats-io/jetstream'
import { connect } from '@nats-io/transport-node'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { jetstream } from '../../../adapters/jetstream/index.js'
import { createBus } from '../../../src/bus.js'
import { until } from '../../../testing/suite/expect.js'
import { DualLab } from '../../adapters/dual/fixtures/dual-lab.js'
import { type NatsServer, startNats } from '../../servers/nats-server.js'
import { type PostgresServer, startPostgres } from '../../servers/postgres.js'

const TEST = { timeout: 40_000 }

let nats: NatsServer
let postgres: PostgresServer
beforeAll(async () => {
  ;[nats, postgres] = await Promise.all([startNats(), startPostgres()])
})
afterAll(() => Promise.all([nats.stop(), postgres.stop()]))

it('an id belongs to nobody when the transaction that used it first was rolled back', TEST, async () => {
  await using lab = await DualLab.open(postgres)
  const bus = await lab.bus()
  const rolledBack = bus.transaction(async (tx) => {
    await tx.query('select 1')
    await tx.publish('orders.a', 'first', { id: 'one' })
    throw new Error('the application thinks again')
  })
  await expect(rolledBack).rejects.toThrow('thinks again')
  expect(await bus.publish('orders.a', 'second', { id: 'one' })).toMatchObject({ duplicate: false })
  const handled: unknown[] = []
  await bus.consume({ name: 'billing', stream: 'orders' }, ({ data }) => handled.push(data))
  await until(() => handled.length > 0, 'the message')
  expect(handled).toEqual(['second'])
})

it('an id belongs to nobody when its publish was refused', TEST, async () => {
  const streams = [{ name: 'full', subjects: ['full.>'], maxMessages: 1, discard: 'new' as const }]
  const bus = createBus({ adapter: jetstream({ servers: nats.url }), streams })
  await bus.connect()
  try {
    await bus.publish('full.a', 'first', { id: 'one' })
    await expect(bus.publish('full.a', 'second', { id: 'two' })).rejects.toMatchObject({ code: 'BUS_UNAVAILABLE' })
    await purge('full')
    expect(await bus.publish('full.a', 'second', { id: 'two' })).toMatchObject({ duplicate: false })
  } finally {
    await bus.close()
  }
})

async function purge(stream: string): Promise<void> {
  const client = await connect({ servers: nats.url })
  await (await jetstreamManager(client)).streams.purge(stream)
  await client.close()
}
