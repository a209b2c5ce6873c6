/** A process that starts while JetStream is down: it accepts, says so, and relays and handles when JetStream is back. */
import { rm } from 'node:fs/promises'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { type DualOptions, dual } from '../../../adapters/dual/index.js'
import { jetstream } from '../../../adapters/jetstream/index.js'
import { createBus, type MessageBus } from '../../../src/index.js'
import { range, until } from '../../../testing/suite/expect.js'
import { codeOfAsync } from '../../code-of.js'
import { type NatsServer, startNats } from '../../servers/nats-server.js'
import { type PostgresServer, startPostgres } from '../../servers/postgres.js'

let nats: NatsServer
let postgres: PostgresServer
beforeAll(async () => {
  ;[nats, postgres] = await Promise.all([startNats({ version: '2.15' }), startPostgres()])
})
afterAll(async () => {
  await Promise.all([nats.stop(), postgres.stop()])
})

function busWith(schema: string, options: Partial<DualOptions> = {}): MessageBus {
  const inner = jetstream({ servers: nats.url, connectTimeout: '500ms' })
  const adapter = dual({ inner, connection: postgres.url, schema, ...options })
  return createBus({ adapter, streams: [{ name: schema, subjects: [`${schema}.>`] }] })
}

it('accepts before JetStream is there, and hands out in order once it is', { timeout: 60_000 }, async () => {
  await nats.kill()
  await using bus = busWith('early')
  await bus.connect()
  const handled: unknown[] = []
  const consumer = { stream: 'early', name: 'billing', from: 'all', order: 'key' } as const
  await bus.consume(consumer, ({ data }) => handled.push(data))
  for (const n of range(1, 5)) await bus.publish('early.red', n, { key: 'red' })
  const { status, reasons } = await bus.health()
  expect([status, reasons.join()]).toEqual(['degraded', expect.stringContaining('messages are accepted, and wait')])
  expect(await codeOfAsync(bus.signal('elsewhere.now', 1))).toBe('BUS_UNAVAILABLE')

  await nats.restart()
  await until(() => handled.length === 5, 'what was accepted before', 30_000)
  await bus.publish('early.red', 6, { key: 'red' })
  await until(() => handled.length === 6, 'what came afterwards')
  expect(handled).toEqual(range(1, 6))
  expect((await bus.verify({ stream: 'early' })).isSame).toBe(true)
  await until(async () => (await bus.health()).status === 'ok', 'health to tell')
})

it('starts though all of JetStream is gone, and rebuilds it when it is back', { timeout: 60_000 }, async () => {
  const before = busWith('wiped')
  await before.connect()
  for (const n of range(1, 5)) await before.publish('wiped.red', n, { key: 'red' })
  await before.close()
  await nats.kill()
  await rm(nats.storeDir, { recursive: true })

  await using bus = busWith('wiped')
  await bus.connect()
  await bus.publish('wiped.red', 6, { key: 'red' })
  const handled: unknown[] = []
  await bus.consume({ stream: 'wiped', name: 'billing', from: 'all', order: 'key' }, ({ data }) => handled.push(data))
  await nats.restart()
  await until(() => handled.length === 6, 'everything', 30_000)
  expect(handled).toEqual(range(1, 6))
})

it('can be closed before JetStream is there, and lets nothing start afterwards', { timeout: 60_000 }, async () => {
  await nats.kill()
  const bus = busWith('closed')
  await bus.connect()
  await bus.consume({ stream: 'closed', name: 'billing' }, () => {})
  await bus.publish('closed.red', 1)
  await bus.close({ within: 500 })
  await nats.restart()

  await using next = busWith('closed')
  await next.connect()
  const handled: unknown[] = []
  await next.consume({ stream: 'closed', name: 'billing' }, ({ data }) => handled.push(data))
  await until(() => handled.length === 1, 'what was accepted before', 30_000)
})

it('does not start with what time does not mend', { timeout: 60_000 }, async () => {
  const guarded = await startNats({
    version: '2.15',
    auth: { config: 'authorization { user: busbar, password: right }' },
  })
  const inner = jetstream({ servers: guarded.url, user: 'busbar', password: 'wrong' })
  await using bus = createBus({ adapter: dual({ inner, connection: postgres.url, schema: 'denied' }) })
  expect(await codeOfAsync(bus.connect())).toBe('BUS_AUTH')
  await guarded.stop()
})
