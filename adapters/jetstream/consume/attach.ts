/**
 * What serves a consumer: a plain feed, one that stands by while others of its order are served, or one over partitions. The consumer on
 * the server is made here when it is missing; nothing is asked for before `start()`.
 */
import type { StreamInfo } from '@nats-io/jetstream'
import type { Feed, Sink } from '../../../src/adapter.js'
import type { ResolvedConsumer } from '../../../src/topology.js'
import type { Connection } from '../connect/connection.js'
import { failure } from '../failure.js'
import type { Publisher } from '../publish/publisher.js'
import { ensureConsumers } from './consumers.js'
import { type FeedParts, JetStreamFeed } from './feed.js'
import { Handbacks } from './handbacks.js'
import { OrderedFeed } from './ordered-feed.js'
import type { Outbound } from './outbound.js'
import { divide } from './part.js'
import { Partitions } from './partitions.js'
import type { Presence } from './presence.js'

export interface Using {
  readonly connection: Connection
  readonly publisher: Publisher
  readonly outbound: Outbound
  readonly presence: Presence
}

/** A feed that is not served yet. */
export interface Prepared {
  readonly feed: Feed
  /** The feeds of durable consumers that it is made of. */
  readonly inner: readonly JetStreamFeed[]
  /** Resolves when it is served or stands by. */
  start(): Promise<void>
  /** Stops it, and it is no longer counted as attached. */
  stop(): Promise<void>
}

/** Throws `BUS_CONFLICT` for another definition, `BUS_UNSUPPORTED` for a work queue that cannot be divided. */
export async function prepareFeed(
  using: Using,
  definition: ResolvedConsumer,
  sink: Sink,
  stream: StreamInfo,
): Promise<Prepared> {
  const { connection, publisher, outbound, presence } = using
  const { name, order, partitions } = definition
  if (partitions > 1) assertDivisible(definition, stream)
  const infos = await ensureConsumers(connection, divide(definition))
  const feedParts = (consumer: ResolvedConsumer): FeedParts => {
    const handbacks = new Handbacks(connection, publisher, consumer.name)
    return { connection, outbound, handbacks, stream }
  }
  if (partitions > 1) {
    const feed = new Partitions(definition, sink, { connection, publisher, presence, infos, feedParts })
    return { feed, inner: feed.feeds, start: () => feed.start(), stop: () => feed.stop() }
  }
  const [info] = infos
  if (info === undefined)
    throw failure(`consume ${definition.stream}`, 'BUS_UNAVAILABLE', `consumer ${name} is missing`)
  const plain = new JetStreamFeed(definition, sink, feedParts(definition), info)
  const ordered = order === 'key' ? new OrderedFeed(connection, publisher, plain) : undefined
  const leave = await presence.announce(presence.name(definition.stream, name))
  const feed = ordered ?? plain
  const stop = async (): Promise<void> => {
    await feed.stop()
    await leave()
  }
  return { feed, inner: [plain], start: () => (ordered === undefined ? plain.serve() : ordered.start()), stop }
}

/** A work queue gives each message to one consumer (JS-C5), and every partition must see every message. */
function assertDivisible({ name, stream }: ResolvedConsumer, { config }: StreamInfo): void {
  if (config.retention !== 'workqueue') return
  const remedy = "Use retention 'limits' or 'interest', or partitions: 1"
  const problem = `${stream} is a work queue, whose messages go to one consumer only: it cannot be divided. ${remedy}`
  throw failure(`consume ${stream} with ${name}`, 'BUS_UNSUPPORTED', problem)
}
