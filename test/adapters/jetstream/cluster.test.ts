/** Three nodes, three replicas: a leader is killed, every node is restarted, and nothing accepted is lost or handled out of order. */
import { randomBytes } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { jetstream } from '../../../adapters/jetstream/index.js'
import { createBus } from '../../../src/bus.js'
import { BusError } from '../../../src/errors.js'
import type { MessageBus } from '../../../src/message-bus.js'
import { until } from '../../../testing/suite/expect.js'
import { type NatsCluster, startNatsCluster } from '../../servers/nats-cluster.js'

const KEYS = 8
const LOAD_EVERY_MS = 2

/** Publishes until told to stop; every message is repeated with its id until it is accepted. */
class Load {
  readonly accepted: string[] = []
  readonly #bus: MessageBus
  readonly #stream: string
  #isOver = false
  readonly done: Promise<void>

  constructor(bus: MessageBus, stream: string) {
    this.#bus = bus
    this.#stream = stream
    this.done = this.#run()
  }

  async stop(): Promise<void> {
    this.#isOver = true
    await this.done
  }

  async #run(): Promise<void> {
    for (let n = 0; !this.#isOver; n++) {
      const key = `k${n % KEYS}`
      await this.#publish(`${key} ${n}`, key, n)
      await new Promise((resolve) => setTimeout(resolve, LOAD_EVERY_MS))
    }
  }

  async #publish(id: string, key: string, n: number): Promise<void> {
    for (;;) {
      try {
        await this.#bus.publish(`${this.#stream}.${key}`, n, { id: `${this.#stream} ${id}`, key, timeout: '2s' })
        this.accepted.push(id)
        return
      } catch (error) {
        if (!(error instanceof BusError)) throw error
      }
    }
  }
}

describe('a cluster of three, server 2.15', () => {
  let cluster: NatsCluster
  beforeAll(async () => {
    cluster = await startNatsCluster({ version: '2.15' })
  }, 60_000)
  afterAll(async () => {
    await cluster.stop()
  }, 30_000)

  async function underLoad(fault: (stream: string) => Promise<void>): Promise<void> {
    const stream = `c${randomBytes(4).toString('hex')}`
    const streams = [{ name: stream, subjects: [`${stream}.>`], replicas: 3 }]
    const connect = async (): Promise<MessageBus> => {
      const bus = createBus({ adapter: jetstream({ servers: cluster.urls }), streams })
      await bus.connect()
      return bus
    }
    await using publisher = await connect()
    await using worker = await connect()
    const handled: { key: string; n: number }[] = []
    const consumer = { name: 'worker', stream, order: 'key', ackWait: '3s' } as const
    await worker.consume(consumer, ({ key = '', data }) => handled.push({ key, n: Number(data) }))
    const load = new Load(publisher, stream)
    await until(() => handled.length > 50, 'the first messages')
    await fault(stream)
    const sinceFault = handled.length
    await patiently(() => handled.length > sinceFault + 50, 'messages after the fault')
    await load.stop()
    const missing = (): string[] => {
      const seen = new Set(handled.map(({ key, n }) => `${key} ${n}`))
      return load.accepted.filter((id) => !seen.has(id))
    }
    await patiently(() => missing().length === 0, 'everything accepted to be handled')
    expect(overtaken(handled)).toEqual([])
    // What was accepted is stored once, repeats included.
    const stored: string[] = []
    for await (const message of publisher.replay({ stream })) stored.push(`${message.key} ${message.data}`)
    expect(stored.toSorted()).toEqual(load.accepted.toSorted())
  }

  it('JS-R4: loses and reorders nothing when the leader of the stream is killed', { timeout: 120_000 }, () =>
    underLoad(async (stream) => {
      const leader = await cluster.leaderOf(stream)
      await leader.kill()
      await cluster.leaderOf(stream)
      await leader.restart()
      await cluster.ready()
    }),
  )

  it('loses and reorders nothing while every node is restarted in turn', { timeout: 180_000 }, () =>
    underLoad(() => cluster.rollingRestart()),
  )

  it('reports what it rests on: three replicas', async () => {
    const stream = `c${randomBytes(4).toString('hex')}`
    const streams = [{ name: stream, subjects: [`${stream}.>`], replicas: 3 }]
    await using bus = createBus({ adapter: jetstream({ servers: cluster.urls }), streams })
    await bus.connect()
    const accepted = (await bus.guarantees()).find(({ topic }) => topic === 'accepted')
    expect(accepted?.observed).toMatch(/3/)
  })
})

/** First handlings that came after a later message of their key. */
function overtaken(handled: readonly { readonly key: string; readonly n: number }[]): string[] {
  const highest = new Map<string, number>()
  const seen = new Set<string>()
  const found: string[] = []
  for (const { key, n } of handled) {
    const isFirst = !seen.has(`${key} ${n}`)
    seen.add(`${key} ${n}`)
    if (isFirst && n < (highest.get(key) ?? -1)) found.push(`${key}: ${n} after ${highest.get(key)}`)
    highest.set(key, Math.max(n, highest.get(key) ?? -1))
  }
  return found
}

/** An election, a catch-up and an ack wait may follow each other. */
async function patiently(condition: () => boolean, what: string): Promise<void> {
  for (let tries = 0; tries < 4; tries++) {
    const isMet = await until(condition, what).then(
      () => true,
      () => false,
    )
    if (isMet) return
  }
  await until(condition, what)
}
