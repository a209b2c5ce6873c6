/** Elsewhere the connection was closed before what had been handed to it was sent, and a retry was lost between two steps of scheduling it. */
import { jetstreamManager } from '@nats-io/jetstream'
import { connect } from '@nats-io/transport-node'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { jetstream } from '../../../adapters/jetstream/index.js'
import { createBus } from '../../../src/bus.js'
import type { MessageBus } from '../../../src/message-bus.js'
import { until } from '../../../testing/suite/expect.js'
import { DualLab } from '../../adapters/dual/fixtures/dual-lab.js'
import { type NatsServer, startNats } from '../../servers/nats-server.js'
import { type PostgresServer, startPostgres } from '../../servers/postgres.js'
import { startProxy } from '../../servers/proxy.js'

const MESSAGES = 200
const TEST = { timeout: 40_000 }

let nats: NatsServer
let postgres: PostgresServer
beforeAll(async () => {
  ;[nats, postgres] = await Promise.all([startNats(), startPostgres()])
})
afterAll(() => Promise.all([nats.stop(), postgres.stop()]))

it('what was accepted before a close has reached the broker after it, though the way there is slow', TEST, async () => {
  const link = await startProxy(nats.port)
  const streams = [{ name: 'flushed', subjects: ['flushed.>'] }]
  await using lab = await DualLab.open(postgres, { inner: () => jetstream({ servers: link.url }), streams })
  try {
    const bus = await lab.bus({ dual: { compareEvery: 0 } })
    link.delay(40)
    await Promise.all(Array.from({ length: MESSAGES }, (_, n) => bus.publish(`flushed.${n % 7}`, n)))
    await bus.close()
    expect(await lab.count('%.outbox')).toBe(0)
    expect(await stored('flushed')).toBe(MESSAGES)
  } finally {
    await link.stop()
  }
})

it('a retry is there although the process that asked for it was cut off at once', TEST, async () => {
  const link = await startProxy(nats.port)
  const [cut, other] = [await busOver(link.url), await busOver(nats.url)]
  try {
    const attempts: number[] = []
    const failed = new Promise<void>((resolve) => {
      void cut.consume(
        { name: 'retried', stream: 'retried', ackWait: '1s' },
        () => {
          setImmediate(resolve)
          throw new Error('not yet')
        },
        { retry: { backoff: [300], jitter: 0 } },
      )
    })
    await cut.publish('retried.a', 1)
    await failed
    link.cut()
    await other.consume({ name: 'retried', stream: 'retried', ackWait: '1s' }, (_, { attempt }) =>
      attempts.push(attempt),
    )
    await until(() => attempts.length > 0, 'the next attempt')
    expect(attempts).toEqual([2])
  } finally {
    await Promise.all([cut.close({ within: 100 }), other.close()])
    await link.stop()
  }
})

async function busOver(servers: string): Promise<MessageBus> {
  const streams = [{ name: 'retried', subjects: ['retried.>'] }]
  const bus = createBus({ adapter: jetstream({ servers }), streams })
  await bus.connect()
  return bus
}

async function stored(stream: string): Promise<number> {
  const client = await connect({ servers: nats.url })
  const { state } = await (await jetstreamManager(client)).streams.info(stream)
  await client.close()
  return state.messages
}
