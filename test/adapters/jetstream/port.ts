/** The adapter's port as a test drives it by hand, against one server: streams and consumers of its own, and a raw client beside it. */
import { randomBytes, randomUUID } from 'node:crypto'
import { type ConsumerConfig, type JetStreamManager, jetstreamManager } from '@nats-io/jetstream'
import { connect, type NatsConnection } from '@nats-io/transport-node'
import { type JetStreamOptions, jetstream } from '../../../adapters/jetstream/index.js'
import type { Adapter, Feed, PublishOutcome } from '../../../src/adapter.js'
import { systemClock } from '../../../src/clock.js'
import { type Logger, silentLogger } from '../../../src/logger.js'
import { NO_HEADERS, type Outgoing } from '../../../src/message.js'
import {
  type ConsumerSettings,
  type ResolvedConsumer,
  resolveConsumer,
  resolveStream,
  type StreamDefinition,
} from '../../../src/topology.js'
import { Probe } from '../../../testing/suite/port-side.js'
import type { NatsServer } from '../../servers/nats-server.js'

export class Port implements AsyncDisposable {
  readonly server: NatsServer
  readonly adapter: Adapter
  /** Another client of the same server. */
  readonly raw: NatsConnection
  readonly jsm: JetStreamManager
  readonly stream = `p${randomBytes(5).toString('hex')}`
  readonly #others: Adapter[] = []

  private constructor(server: NatsServer, adapter: Adapter, raw: NatsConnection, jsm: JetStreamManager) {
    this.server = server
    this.adapter = adapter
    this.raw = raw
    this.jsm = jsm
  }

  static async open(
    server: NatsServer,
    options: JetStreamOptions = {},
    changes: Partial<StreamDefinition> = {},
    logger: Logger = silentLogger,
  ): Promise<Port> {
    const raw = await connect({ servers: server.url, maxReconnectAttempts: -1, reconnectTimeWait: 50 })
    const adapter = await openAdapter(server, options, logger)
    const port = new Port(server, adapter, raw, await jetstreamManager(raw, { timeout: 1000 }))
    await port.provision(adapter, changes)
    return port
  }

  async provision(adapter: Adapter, changes: Partial<StreamDefinition> = {}): Promise<void> {
    await adapter.provision([resolveStream({ name: this.stream, subjects: [this.to('>')], ...changes })])
  }

  /** A client of its own, as another process would be. */
  async another(options: JetStreamOptions = {}): Promise<Adapter> {
    const adapter = await openAdapter(this.server, options)
    this.#others.push(adapter)
    await this.provision(adapter)
    return adapter
  }

  to(path: string): string {
    return `${this.stream}.${path}`
  }

  consumer(settings: Partial<ConsumerSettings> = {}): ResolvedConsumer {
    return resolveConsumer({ name: 'worker', stream: this.stream, ackWait: '10s', ...settings }, [this.to('>')])
  }

  async attach(
    credit: number,
    settings: Partial<ConsumerSettings> = {},
    adapter: Adapter = this.adapter,
  ): Promise<{ probe: Probe; feed: Feed }> {
    const probe = new Probe()
    const feed = await adapter.attach(this.consumer(settings), probe)
    if (credit > 0) feed.grant(credit)
    return { probe, feed }
  }

  outgoing(text: string | Uint8Array, changes: Partial<Outgoing> = {}): Outgoing {
    const id = changes.id ?? randomUUID()
    const payload = typeof text === 'string' ? Buffer.from(text) : text
    const isFresh = changes.id === undefined
    const base = { id, dedupId: id, isFresh, subject: this.to('a'), key: undefined, headers: NO_HEADERS }
    return { ...base, payload, delayMs: 0, ...changes }
  }

  async publish(...texts: string[]): Promise<readonly PublishOutcome[]> {
    return this.send(texts.map((text) => this.outgoing(text)))
  }

  async send(batch: readonly Outgoing[], timeoutMs = 5000): Promise<readonly PublishOutcome[]> {
    return this.adapter.publish(batch, timeoutMs)
  }

  /** A consumer that somebody else made. */
  async foreignConsumer(changes: Partial<ConsumerConfig>): Promise<void> {
    await this.jsm.consumers.add(this.stream, {
      durable_name: 'worker',
      ack_policy: 'explicit',
      deliver_policy: 'all',
      replay_policy: 'instant',
      ack_wait: 10_000_000_000,
      max_ack_pending: 10_000,
      filter_subject: this.to('>'),
      ...changes,
    })
  }

  async unsettled(): Promise<number> {
    return (await this.jsm.consumers.info(this.stream, 'worker')).num_ack_pending
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([this.adapter, ...this.#others].map((adapter) => adapter.close()))
    await this.raw.close()
  }
}

async function openAdapter(
  server: NatsServer,
  options: JetStreamOptions,
  logger: Logger = silentLogger,
): Promise<Adapter> {
  const adapter = jetstream({ servers: server.url, ...options })
  await adapter.open({ clock: systemClock, logger, random: Math.random, strict: false })
  return adapter
}
