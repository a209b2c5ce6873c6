/** What servers offer and the adapter leaves alone, because of what it is known to do. Titles begin with the fact's code. */
import { headers, type Msg } from '@nats-io/transport-node'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { range } from '../../../testing/suite/expect.js'
import { type NatsServer, startNats } from '../../servers/nats-server.js'
import { Port } from './port.js'

/** What a server answers to a schedule whose target is not another subject of its stream. */
const BAD_TARGET = 10190

describe.each(['2.15', '2.10'] as const)('features that are not used, server %s', (version) => {
  let server: NatsServer
  beforeAll(async () => {
    server = await startNats({ version })
  })
  afterAll(async () => {
    await server.stop()
  })

  /** Everything that is sent to the stream's subjects while the action runs. */
  async function sentDuring(port: Port, action: () => Promise<unknown>): Promise<readonly Msg[]> {
    const sent: Msg[] = []
    port.raw.subscribe(port.to('>'), { callback: (_, message) => void sent.push(message) })
    await port.raw.flush()
    await action()
    await port.raw.flush()
    return sent
  }

  it('JS-P9: the stream does not take fast ingest, and each message of a batch is where its acceptance says', async () => {
    await using port = await Port.open(server)
    const texts = range(1, 200).map(String)
    const outcomes = await port.publish(...texts)
    expect(outcomes.map((outcome) => outcome.status === 'accepted' && outcome.sequence)).toEqual(range(1, 200))
    const { config } = await port.jsm.streams.info(port.stream)
    expect(Reflect.get(config, 'allow_batched') ?? false).toBe(false)
    const last = await port.jsm.streams.getMessage(port.stream, { seq: 200 })
    expect(last?.string()).toBe('200')
  })

  it('JS-C7: an ordered consumer has no priority group, so the server pins and replaces nobody', async () => {
    await using port = await Port.open(server)
    await port.attach(1, { order: 'key' })
    const { config } = await port.jsm.consumers.info(port.stream, 'worker')
    expect([config.priority_groups ?? [], config.priority_policy ?? 'none']).toEqual([[], 'none'])
  })

  it('JS-L6: a delayed message carries no schedule, and reaches the stream that its subject belongs to', async () => {
    await using port = await Port.open(server)
    const { probe } = await port.attach(1)
    const sent = await sentDuring(port, async () => {
      await port.send([port.outgoing('later', { delayMs: 50 })])
      await probe.arrival('later')
    })
    const names = sent.flatMap((message) => message.headers?.keys() ?? [])
    expect(names.filter((name) => name.startsWith('Nats-Schedule'))).toEqual([])
  })
})

it('JS-L6: a server refuses a schedule whose target is in another stream', async () => {
  const server = await startNats({ version: '2.15' })
  try {
    await using port = await Port.open(server)
    await port.jsm.streams.add({ name: 'plans', subjects: ['plans.>'], allow_msg_schedules: true })
    const schedule = headers()
    schedule.set('Nats-Schedule', `@at ${new Date(Date.now() + 60_000).toISOString()}`)
    schedule.set('Nats-Schedule-Target', port.to('a'))
    const answer = await port.raw.request('plans.a', 'x', { headers: schedule, timeout: 2000 })
    expect(answer.json()).toMatchObject({ error: { err_code: BAD_TARGET } })
  } finally {
    await server.stop()
  }
})
