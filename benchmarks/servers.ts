/**
 * The NATS servers of a run: one for each way to sync, started when a contender first asks for it, and stopped together. And the streams
 * on them, all made by the bus, so that every contender writes into the same kind of stream.
 */
import { resolve } from 'node:path'
import { AckPolicy, DeliverPolicy, type JetStreamManager, jetstreamManager } from '@nats-io/jetstream'
import { connect, type NatsConnection } from '@nats-io/transport-node'
import { jetstream } from '../adapters/jetstream/index.js'
import { createBus, type MessageBus, type StreamDefinition } from '../src/index.js'
import { findNatsBinary } from '../test/servers/nats-binary.js'
import { fromDebian } from '../test/servers/nats-debian.js'
import { fromGitHub } from '../test/servers/nats-release.js'
import { type NatsServer, startNats } from '../test/servers/nats-server.js'

/** When a server writes to disk: its default of two minutes, or before each acknowledgement. */
export type Sync = '2 min' | 'always'

/** The one durable consumer that a stream has at a time. */
export const CONSUMER = 'billing'
/** As the bus asks for. */
const MAX_ACK_PENDING = 10_000
const SETTLED_WITHIN_MS = 10_000

interface Running {
  readonly server: NatsServer
  /** For what is not measured. */
  readonly nats: NatsConnection
  readonly jsm: JetStreamManager
}

const running = new Map<Sync, Promise<Running>>()
let streams = 0

export function durability(sync: Sync): string {
  return `file, R1, sync ${sync}`
}

export class BenchStream {
  readonly definition: StreamDefinition
  readonly subject: string
  readonly url: string
  readonly #jsm: JetStreamManager
  readonly #sync: Sync

  /** A new, empty one. */
  static async create(sync: Sync): Promise<BenchStream> {
    const { server, jsm } = await serverWith(sync)
    const stream = new BenchStream(`orders-${++streams}`, { url: server.url, jsm, sync })
    const bus = await stream.openBus()
    await bus.close()
    return stream
  }

  private constructor(name: string, { url, jsm, sync }: { url: string; jsm: JetStreamManager; sync: Sync }) {
    this.definition = { name, subjects: [`${name}.>`] }
    this.subject = `${name}.placed`
    this.url = url
    this.#jsm = jsm
    this.#sync = sync
  }

  get name(): string {
    return this.definition.name
  }

  async openBus(): Promise<MessageBus> {
    // As its operator would declare it.
    const declared = this.#sync === 'always' ? ({ syncInterval: 'always' } as const) : {}
    const bus = createBus({ adapter: jetstream({ servers: this.url, ...declared }), streams: [this.definition] })
    await bus.connect()
    return bus
  }

  /** For contenders that do not come with their own. */
  async addConsumer(): Promise<void> {
    await this.#jsm.consumers.add(this.name, {
      durable_name: CONSUMER,
      ack_policy: AckPolicy.Explicit,
      deliver_policy: DeliverPolicy.All,
      max_ack_pending: MAX_ACK_PENDING,
    })
  }

  async removeConsumer(): Promise<void> {
    await this.#jsm.consumers.delete(this.name, CONSUMER)
  }

  /** Rejects unless the stream holds that many messages, each of them once. */
  async assertStored(messages: number): Promise<void> {
    const { state } = await this.#jsm.streams.info(this.name)
    if (state.messages !== messages)
      throw new Error(`${messages} messages were published, ${state.messages} are stored`)
  }

  /** Rejects unless the server has an acknowledgement for each of that many messages. Acknowledgements may still be on their way. */
  async assertSettled(messages: number): Promise<void> {
    const deadline = performance.now() + SETTLED_WITHIN_MS
    for (;;) {
      const { ack_floor: floor } = await this.#jsm.consumers.info(this.name, CONSUMER)
      if (floor.stream_seq === messages) return
      if (performance.now() > deadline)
        throw new Error(`${messages} messages were consumed, the server knows of ${floor.stream_seq}`)
    }
  }

  async remove(): Promise<void> {
    await this.#jsm.streams.delete(this.name)
  }
}

/** Nothing happens when none was started. */
export async function stopServers(): Promise<void> {
  const all = [...running.values()]
  running.clear()
  // One that did not start has told so already, and has nothing to stop.
  for (const started of await Promise.allSettled(all)) {
    if (started.status !== 'fulfilled') continue
    await started.value.nats.close()
    await started.value.server.stop()
  }
}

function serverWith(sync: Sync): Promise<Running> {
  const started = running.get(sync) ?? start(sync)
  running.set(sync, started)
  return started
}

async function start(sync: Sync): Promise<Running> {
  await findBinary()
  const server = await startNats({ version: '2.15', ...(sync === 'always' ? { syncInterval: sync } : {}) })
  const nats = await connect({ servers: server.url })
  return { server, nats, jsm: await jetstreamManager(nats) }
}

/** What is compiled lies elsewhere, and would look for a cache of its own. */
async function findBinary(): Promise<void> {
  const { path } = await findNatsBinary('2.15', {
    environment: process.env,
    cache: resolve('.cache/nats-server'),
    sources: [
      ['Debian packages', fromDebian],
      ['the release on GitHub', fromGitHub],
    ],
  })
  process.env.NATS_SERVER_BIN = path
}
