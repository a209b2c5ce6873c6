/**
 * Order by key, and messages that the server hands to a request of somebody who does not work any more: a process that stood still for
 * longer than its lease, or one that is gone.
 */
import { connect } from '@nats-io/transport-node'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { jetstream } from '../../../adapters/jetstream/index.js'
import { createBus } from '../../../src/bus.js'
import { type Clock, systemClock } from '../../../src/clock.js'
import type { MessageBus } from '../../../src/message-bus.js'
import { nth, pass, range, until } from '../../../testing/suite/expect.js'
import { type NatsServer, startNats } from '../../servers/nats-server.js'
import { startProxy } from '../../servers/proxy.js'
import { StandingClock } from './fixtures/standing-clock.js'

/** Longer than the term of a lease, shorter than a request lasts. */
const A_LEASE_MS = 3300
const POOL = { retry: { attempts: 1000 } }

let server: NatsServer
beforeAll(async () => {
  server = await startNats()
})
afterAll(() => server.stop())

it('JS-C8: newer messages of a key wait for one that somebody else was handed', { timeout: 40_000 }, async () => {
  const thief = await connect({ servers: server.url })
  await using bus = await busWith('stolen')
  const handled: unknown[] = []
  const consumer = { name: 'billing', stream: 'stolen', order: 'key', ackWait: '2s' } as const
  await bus.consume(consumer, ({ data }) => handled.push(data), POOL)
  await bus.publish('stolen.red', 0, { key: 'red' })
  await until(() => handled.length === 1, 'the feed to be served')

  const loot = thief.subscribe('loot')
  const request = JSON.stringify({ batch: 2, expires: 30_000_000_000 })
  thief.publish('$JS.API.CONSUMER.MSG.NEXT.stolen.billing', request, { reply: 'loot' })
  await thief.flush()
  for (const n of range(1, 8)) await bus.publish('stolen.red', n, { key: 'red' })

  await until(() => loot.getReceived() === 2, 'two of them to be handed to somebody else')
  await until(() => handled.length >= 9, 'everything', 30_000)
  expect(handled).toEqual(range(0, 8))
  await thief.close()
})

it('JS-F2: who stood still for longer than its lease starts nothing that came meanwhile', {
  timeout: 40_000,
}, async () => {
  const clock = new StandingClock()
  const [one, two] = [await busWith('late', clock), await busWith('late')]
  const consumer = { name: 'billing', stream: 'late', order: 'key', ackWait: '30s' } as const
  const handled = { one: [] as unknown[], two: [] as unknown[] }
  try {
    await one.consume(consumer, ({ data }) => handled.one.push(data), POOL)
    await two.consume(consumer, ({ data }) => handled.two.push(data), POOL)
    await two.publish('late.red', 0, { key: 'red' })
    await until(() => handled.one.length === 1, 'the holder to be served')

    clock.standStill()
    await pass(A_LEASE_MS)
    for (const n of range(1, 12)) await two.publish('late.red', n, { key: 'red' })
    await until(() => handled.one.length + handled.two.length >= 13, 'everything', 30_000)

    expect([handled.one, handled.two]).toEqual([[0], range(1, 12)])
  } finally {
    clock.goOn()
    await Promise.all([one.close({ within: 500 }), two.close({ within: 500 })])
  }
})

it('JS-F2: who stood still for longer than the ack wait does not start what lay in its socket meanwhile', {
  timeout: 40_000,
}, async () => {
  const [clock, link] = [new StandingClock(), await startProxy(server.port)]
  const [one, two] = [await busWith('lain', clock, link.url), await busWith('lain')]
  const consumer = { name: 'billing', stream: 'lain', ackWait: '2s' } as const
  const handled = { one: [] as unknown[], two: [] as unknown[] }
  try {
    await one.consume(consumer, ({ data }) => handled.one.push(data), POOL)
    await two.publish('lain.red', 0)
    await until(() => handled.one.length === 1, 'a first message')

    clock.standStill()
    link.stall('toClient')
    await two.publish('lain.red', 1)
    await two.consume(consumer, ({ data }) => handled.two.push(data), POOL)
    await until(() => handled.two.length === 1, 'the message to be handed to somebody else')
    link.pass()
    // The answer comes behind what lay there.
    await one.publish('elsewhere.red', 2)
    expect(handled).toEqual({ one: [0], two: [1] })
  } finally {
    await Promise.all([one.close(), two.close()])
    await link.stop()
  }
})

async function busWith(stream: string, clock: Clock = systemClock, servers = server.url): Promise<MessageBus> {
  const streams = [
    { name: stream, subjects: [`${stream}.>`] },
    { name: 'elsewhere', subjects: ['elsewhere.>'] },
  ]
  const bus = createBus({ adapter: jetstream({ servers }), streams, clock })
  await bus.connect()
  return bus
}

it('what comes to a process that asked for nothing for a while has not lain in its socket', {
  timeout: 20_000,
}, async () => {
  const ackWaitMs = 1500
  await using bus = createBus({
    adapter: jetstream({ servers: server.url }),
    streams: [{ name: 'idle', subjects: ['idle.>'] }],
  })
  await bus.connect()
  await bus.publish('idle.a', 1)
  const startedAt: number[] = []
  await bus.consume(
    { name: 'idler', stream: 'idle', ackWait: ackWaitMs },
    async ({ data }) => {
      startedAt.push(performance.now())
      // It asks again before its watch over silence has ended.
      if (data === 1) await pass(900)
    },
    { concurrency: 1, prefetch: 0 },
  )
  await until(() => startedAt.length === 1, 'the first one')
  await pass(ackWaitMs + 200)
  const publishedAt = performance.now()
  await bus.publish('idle.a', 2)
  await until(() => startedAt.length === 2, 'the second one')
  // Taken for late, it would come again after the ack wait.
  expect(nth(startedAt, 1) - publishedAt).toBeLessThan(ackWaitMs - 500)
})
