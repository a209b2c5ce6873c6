/** Numbers begin again in a stream that was made anew: what is settled of the old one must settle nothing in the new one (JS-C4). */
import { rm } from 'node:fs/promises'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { jetstream } from '../../../../adapters/jetstream/index.js'
import type { Delivery } from '../../../../src/adapter.js'
import { systemClock } from '../../../../src/clock.js'
import { silentLogger } from '../../../../src/logger.js'
import { NO_HEADERS } from '../../../../src/message.js'
import { resolveConsumer, resolveStreams } from '../../../../src/topology.js'
import { nth, pass, until } from '../../../../testing/suite/expect.js'
import { type NatsServer, startNats } from '../../../servers/nats-server.js'

const streams = resolveStreams([{ name: 'orders', subjects: ['orders.>'] }])

let nats: NatsServer
beforeAll(async () => {
  nats = await startNats({ version: '2.15' })
})
afterAll(() => nats.stop())

it('does not settle a message of the new stream with the delivery of an old one', async () => {
  const adapter = jetstream({ servers: nats.url })
  await adapter.open({ clock: systemClock, logger: silentLogger, random: Math.random, strict: false })
  try {
    await adapter.provision(streams)
    const heard: Delivery[] = []
    const sink = {
      deliver: (deliveries: readonly Delivery[]) => void heard.push(...deliveries),
      awaiting() {},
      gone() {},
    }
    const feed = await adapter.attach(
      resolveConsumer({ stream: 'orders', name: 'billing', from: 'all' }, ['orders.>']),
      sink,
    )
    feed.grant(10)
    await adapter.publish([outgoing('old')], 5000)
    await until(() => heard.length === 1, 'the old message')

    await nats.kill()
    await rm(nats.storeDir, { recursive: true })
    await nats.restart()
    await until(async () => (await adapter.inspect()).connected, 'the connection')
    await adapter.provision(streams)
    await adapter.publish([outgoing('new')], 5000)
    await until(() => heard.length === 2, 'the new message')
    await adapter.settle([nth(heard, 0)], { kind: 'ack' })

    await pass(500)
    const { consumers } = await adapter.inspect()
    expect(consumers.find(({ name }) => name === 'billing')).toMatchObject({ inFlight: 1 })
  } finally {
    await adapter.close()
  }
}, 60_000)

function outgoing(id: string) {
  const message = { id, dedupId: id, isFresh: false, subject: 'orders.new', key: undefined, headers: NO_HEADERS }
  return { ...message, payload: new Uint8Array(), delayMs: 0 }
}
