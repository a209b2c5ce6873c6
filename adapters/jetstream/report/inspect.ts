/** What the servers say of declared streams and their consumers, as the port reports it. Resolves when they cannot be asked, too. */
import type { ConsumerInfo, StreamInfo } from '@nats-io/jetstream'
import type { AdapterReport, ConsumerReport, StreamReport } from '../../../src/adapter.js'
import { BusError } from '../../../src/errors.js'
import type { Connection } from '../connect/connection.js'
import type { JetStreamOptions } from '../connect/options.js'
import { soon } from '../connect/patience.js'
import type { JetStreamFeed } from '../consume/feed.js'
import type { Presence } from '../consume/presence.js'
import type { Delayed } from '../delayed/delayed.js'
import { clientFailure, failure, isMissing } from '../failure.js'
import { familyOf } from '../names.js'
import type { Streams } from '../provision/streams.js'
import { isReader } from '../read/reader-consumer.js'
import { observe } from './probe.js'

export interface Inspected {
  readonly connection: Connection
  readonly streams: Streams
  readonly delayed: Delayed
  readonly presence: Presence
  readonly feeds: readonly JetStreamFeed[]
  readonly options: JetStreamOptions
}

interface StreamView {
  readonly stream: StreamReport
  readonly consumers: readonly ConsumerReport[]
}

export async function inspectServer(inspected: Inspected): Promise<AdapterReport> {
  const { connection, streams, options, feeds } = inspected
  const [{ guarantees }, views] = await Promise.all([observe(connection, streams, options), viewAll(inspected)])
  const idle = feeds
    .filter((feed) => feed.idleReason !== '')
    .map((feed) => `${familyOf(feed.definition.name).consumer}: ${feed.idleReason}`)
  const notes = [...connection.notes, ...new Set(idle)]
  if (views instanceof BusError)
    return { connected: false, notes: [...notes, views.message], streams: [], consumers: [], guarantees }
  return {
    connected: true,
    notes,
    streams: views.map((each) => each.stream),
    consumers: views.flatMap((each) => each.consumers),
    guarantees,
  }
}

/** Every stream that is there, or why none can be seen. */
async function viewAll(inspected: Inspected): Promise<readonly StreamView[] | BusError> {
  const { connection, streams } = inspected
  try {
    if (!connection.isConnected) return failure('inspect', 'BUS_UNAVAILABLE', 'not connected')
    const views = await soon(connection, 'inspect', Promise.all(streams.all.map(({ name }) => view(inspected, name))))
    return views.filter((each) => each !== undefined)
  } catch (thrown) {
    return clientFailure('inspect', thrown)
  }
}

/** Undefined when somebody removed the stream. */
async function view(inspected: Inspected, name: string): Promise<StreamView | undefined> {
  const { connection, delayed, presence, feeds } = inspected
  try {
    const [info, consumers, parked, attached] = await Promise.all([
      connection.jsm.streams.info(name),
      list(connection, name),
      delayed.count(name),
      presence.count(name),
    ])
    return {
      stream: toStreamReport(info, parked),
      consumers: families(consumers).map((family) => toConsumerReport(family, attached, feeds)),
    }
  } catch (thrown) {
    if (isMissing(thrown)) return undefined
    throw clientFailure(`inspect stream ${name}`, thrown)
  }
}

async function list({ jsm }: Connection, stream: string): Promise<ConsumerInfo[]> {
  const consumers: ConsumerInfo[] = []
  for await (const consumer of jsm.consumers.list(stream)) if (!isReader(consumer.name)) consumers.push(consumer)
  return consumers
}

function toStreamReport({ config, state, created }: StreamInfo, delayed: number): StreamReport {
  return {
    name: config.name,
    subjects: config.subjects,
    messages: state.messages,
    bytes: state.bytes,
    firstSequence: state.last_seq === 0 ? 0 : state.first_seq,
    lastSequence: state.last_seq,
    delayed,
    generation: created,
  }
}

/** The durable consumers of each consumer: one, or its partitions. */
function families(consumers: readonly ConsumerInfo[]): readonly Family[] {
  const found = new Map<string, Family>()
  for (const info of consumers) {
    const { consumer: name } = familyOf(info.name)
    found.set(name, { name, stream: info.stream_name, infos: [...(found.get(name)?.infos ?? []), info] })
  }
  return [...found.values()]
}

interface Family {
  readonly name: string
  readonly stream: string
  readonly infos: readonly ConsumerInfo[]
}

/**
 * What a partition has not been handed is mostly for other partitions: an equal part of it is counted, which is exact when nothing is left.
 * Which of the unsettled wait for another attempt is known for this process only; servers do not tell.
 */
function toConsumerReport(
  { name, stream, infos }: Family,
  attached: ReadonlyMap<string, number>,
  feeds: readonly JetStreamFeed[],
): ConsumerReport {
  const own = feeds.filter(
    ({ definition }) => definition.stream === stream && familyOf(definition.name).consumer === name,
  )
  const inFlight = sum(infos.map((info) => info.num_ack_pending))
  return {
    name,
    stream,
    pending: Math.ceil(sum(infos.map((info) => info.num_pending)) / infos.length),
    inFlight,
    waiting: Math.min(sum(own.map((feed) => feed.waiting)), inFlight),
    feeds: attached.get(name) ?? 0,
  }
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0)
}
