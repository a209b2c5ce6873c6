/** A server that comes back with an older state of its consumer, as after a full disk: it hands out again what it has forgotten. */
import { copyFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { pass, until } from '../../../testing/suite/expect.js'
import { type NatsServer, startNats } from '../../servers/nats-server.js'
import { TwoHolders } from './fixtures/two-holders.js'

let server: NatsServer
beforeAll(async () => {
  server = await startNats()
})
afterAll(() => server.stop())

it('what the server has forgotten to have handed out is not started by who holds it, while somebody else is handed it', {
  timeout: 40_000,
}, async () => {
  await using two = await TwoHolders.open([server.url, server.url], {
    name: 'billing',
    stream: 'orders',
    ackWait: '20s',
  })
  const pool = await two.hold((data) => data === 3)
  for (const n of [1, 2]) await two.first.publish('orders.a', n)
  await until(() => pool.stats().handled === 2, 'the first two')
  await server.restartGently()
  const state = stateOf('billing')
  await copyFile(state, `${state}.older`)
  for (const n of [3, 4]) await two.first.publish('orders.a', n)
  await until(() => pool.stats().waiting === 1, 'a message that waits for its turn')

  await server.kill()
  await copyFile(`${state}.older`, state)
  await server.restart()
  await two.first.publish('orders.a', 5)
  await two.take(3)
  await two.settled(pool)
  expect(two.started).toEqual({ first: [1, 2, 3], second: [3, 4, 5] })
})

it('JS-S11: what was held by extensions that the server has forgotten is not started, while somebody else is handed it', {
  timeout: 40_000,
}, async () => {
  const consumer = { name: 'late', stream: 'orders', ackWait: '4s', filter: 'orders.b' } as const
  await using two = await TwoHolders.open([server.url, server.url], consumer)
  const pool = await two.hold()
  for (const n of [1, 2]) await two.first.publish('orders.b', n)
  await until(() => pool.stats().waiting === 1, 'a message that waits for its turn')
  await server.restartGently()
  const state = stateOf('late')
  await copyFile(state, `${state}.older`)
  await pass(3600)

  await server.kill()
  await copyFile(`${state}.older`, state)
  await pass(300)
  await server.restart()
  await two.first.publish('orders.a', 0)
  await two.take(2)
  await two.settled(pool)
  expect(two.started).toEqual({ first: [1], second: expect.arrayContaining([1, 2]) })
})

/** What the server keeps of a consumer. */
function stateOf(consumer: string): string {
  return join(server.storeDir, 'jetstream', '$G', 'streams', 'orders', 'obs', consumer, 'o.dat')
}
