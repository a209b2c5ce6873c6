/**
 * Streams on the NATS servers of a run, all made by the bus, so that every contender writes into the same kind of stream.
 */
import { AckPolicy, DeliverPolicy, type JetStreamManager, jetstreamManager } from '@nats-io/jetstream'
import { connect } from '@nats-io/transport-node'
import { type Backend, CONSUMER, openBus, type Place, type PlaceAddress } from './place.js'
import { beforeStop, type ServerKind, server } from './servers.js'

export interface StreamKind {
  readonly name: string
  readonly server: ServerKind & `nats${string}`
  readonly replicas: number
  readonly durability: string
}

/** On one server, which syncs every two minutes. */
export const ONE: StreamKind = { name: 'nats', server: 'nats', replicas: 1, durability: 'file, R1, sync 2 min' }
export const ALWAYS: StreamKind = {
  name: 'nats-always',
  server: 'nats-always',
  replicas: 1,
  durability: 'file, R1, sync always',
}
/** In a cluster of three servers. */
export const R1: StreamKind = { ...ONE, name: 'nats-r1', server: 'nats-cluster' }
export const R3: StreamKind = { ...R1, name: 'nats-r3', replicas: 3, durability: 'file, R3, sync 2 min' }

/** As the bus asks for. */
const MAX_ACK_PENDING = 10_000
const SETTLED_WITHIN_MS = 10_000

const jsms = new Map<ServerKind, Promise<JetStreamManager>>()
let streams = 0

export class BenchStream implements Place {
  readonly address: PlaceAddress
  readonly subject: string
  readonly url: string
  readonly #jsm: JetStreamManager

  /** A new, empty one. */
  static async create(kind: StreamKind): Promise<BenchStream> {
    const { url } = await server(kind.server)
    const stream = new BenchStream(`orders-${process.pid}-${++streams}`, kind, url, await jsmOf(kind.server))
    const bus = await openBus(stream.address)
    await bus.close()
    return stream
  }

  private constructor(name: string, kind: StreamKind, url: string, jsm: JetStreamManager) {
    // As its operator would declare it.
    const declared = kind.server === 'nats-always' ? ({ syncInterval: 'always' } as const) : {}
    const definition = { name, subjects: [`${name}.>`], replicas: kind.replicas }
    this.address = { definition, nats: { servers: url.split(','), ...declared } }
    this.subject = `${name}.placed`
    this.url = url
    this.#jsm = jsm
  }

  get name(): string {
    return this.address.definition.name
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

  async removeConsumer(name = CONSUMER): Promise<void> {
    await this.#jsm.consumers.delete(this.name, name)
  }

  async assertStored(messages: number): Promise<void> {
    const { state } = await this.#jsm.streams.info(this.name)
    if (state.messages !== messages)
      throw new Error(`${messages} messages were published, ${state.messages} are stored`)
  }

  /** Acknowledgements may still be on their way. */
  async assertSettled(messages: number, consumer = CONSUMER): Promise<void> {
    const deadline = performance.now() + SETTLED_WITHIN_MS
    for (;;) {
      const { ack_floor: floor } = await this.#jsm.consumers.info(this.name, consumer)
      if (floor.stream_seq === messages) return
      if (performance.now() > deadline)
        throw new Error(`${messages} messages were consumed, the server knows of ${floor.stream_seq}`)
    }
  }

  async remove(): Promise<void> {
    await this.#jsm.streams.delete(this.name)
  }
}

export function onNats(kind: StreamKind): Backend {
  const { name, durability } = kind
  return { name, beside: 'nats', durability, create: () => BenchStream.create(kind) }
}

/** On a connection of its own, for what is not measured. */
function jsmOf(kind: ServerKind): Promise<JetStreamManager> {
  const jsm = jsms.get(kind) ?? openJsm(kind)
  jsms.set(kind, jsm)
  return jsm
}

async function openJsm(kind: ServerKind): Promise<JetStreamManager> {
  const nats = await connect({ servers: (await server(kind)).url.split(',') })
  beforeStop(() => nats.close())
  return await jetstreamManager(nats)
}
