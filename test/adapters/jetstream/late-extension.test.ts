/** Extensions of the ack wait that are on their way for too long: the server has handed the message to somebody else meanwhile. */
import { afterAll, beforeAll, expect, it } from 'vitest'
import { until } from '../../../testing/suite/expect.js'
import { type NatsServer, startNats } from '../../servers/nats-server.js'
import { startProxy } from '../../servers/proxy.js'
import { TwoHolders } from './fixtures/two-holders.js'

const CONSUMER = { name: 'billing', stream: 'orders', ackWait: '1500ms' } as const

let server: NatsServer
beforeAll(async () => {
  server = await startNats()
})
afterAll(() => server.stop())

it('JS-S11: what was not extended in time is not started, although the link came back and all of it was sent', {
  timeout: 30_000,
}, async () => {
  const link = await startProxy(server.port)
  await using two = await TwoHolders.open([link.url, server.url], CONSUMER)
  const pool = await two.hold()
  for (const n of [1, 2]) await two.first.publish('orders.a', n)
  await until(() => pool.stats().waiting === 1, 'a message that waits for its turn')

  link.stall('toServer')
  await two.take(2)
  link.pass()
  await two.settled(pool)
  expect(two.started).toEqual({ first: [1], second: expect.arrayContaining([1, 2]) })
  await two.first.close()
  await link.stop()
})
