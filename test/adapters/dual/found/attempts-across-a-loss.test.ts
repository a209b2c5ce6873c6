/** A broker that loses a stream loses its count of attempts; the ledger has its own. */
import { rm } from 'node:fs/promises'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { dual } from '../../../../adapters/dual/index.js'
import { jetstream } from '../../../../adapters/jetstream/index.js'
import { createBus } from '../../../../src/index.js'
import { until } from '../../../../testing/suite/expect.js'
import { type NatsServer, startNats } from '../../../servers/nats-server.js'
import { type PostgresServer, startPostgres } from '../../../servers/postgres.js'

const RETRY = { attempts: 4, backoff: ['1s'], jitter: 0 } as const

let nats: NatsServer
let postgres: PostgresServer
beforeAll(async () => {
  ;[nats, postgres] = await Promise.all([startNats(), startPostgres()])
})
afterAll(async () => {
  await Promise.all([nats.stop(), postgres.stop()])
})

it('a message has no more attempts than the policy allows, though its stream is lost in between', {
  timeout: 60_000,
}, async () => {
  const adapter = dual({ inner: jetstream({ servers: nats.url }), connection: postgres.url, schema: 'attempts' })
  await using bus = createBus({ adapter, streams: [{ name: 'orders', subjects: ['orders.>'] }] })
  await bus.connect()
  const attempts: number[] = []
  await bus.consume(
    { name: 'billing', stream: 'orders' },
    (_, { attempt }) => {
      attempts.push(attempt)
      throw new Error('it always fails')
    },
    { retry: RETRY },
  )
  await bus.publish('orders.a', 1)
  await until(() => attempts.length === 2, 'the second attempt')
  await nats.kill()
  await rm(nats.storeDir, { recursive: true })
  await nats.restart()
  const isDead = async (): Promise<boolean> => {
    for await (const _ of bus.deadLetters('billing').list()) return true
    return false
  }
  await until(isDead, 'the dead letter', 20_000)
  expect(attempts).toEqual([1, 2, 3, 4])
})
