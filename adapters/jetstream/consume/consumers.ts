/**
 * Durable consumers on the server as they were declared: created when missing, refused when one of that name is defined otherwise.
 * A consumer carries its definition as metadata, so that it can be recognised after it had to be made anew at another place (JS-C1).
 */
import { AckPolicy, type ConsumerConfig, type ConsumerInfo, DeliverPolicy, ReplayPolicy } from '@nats-io/jetstream'
import type { BusError } from '../../../src/errors.js'
import { difference, type ResolvedConsumer, type ResolvedStart } from '../../../src/topology.js'
import type { Connection } from '../connect/connection.js'
import { clientFailure, failure, isMissing } from '../failure.js'
import { insist } from '../insist.js'
import { familyOf } from '../names.js'
import { findStream } from '../provision/provision.js'

const NS_PER_MS = 1_000_000
const DEFINITION = 'busbar-definition'
/** In the year 2262: a server counts ns in 64 bits, and a later time would be one before all messages. */
const LAST_TIME_MS = 9_223_372_036_854
/** Pull requests that may wait at once: some for each process that serves the consumer. */
const MAX_WAITING = 512

/** Undefined when there is none. */
export async function findConsumer(
  { jsm }: Connection,
  stream: string,
  name: string,
): Promise<ConsumerInfo | undefined> {
  try {
    return await insist(() => jsm.consumers.info(stream, name))
  } catch (thrown) {
    if (isMissing(thrown)) return undefined
    throw clientFailure(`look up consumer ${name} of stream ${stream}`, thrown)
  }
}

/**
 * Finds or creates the consumers of one family: a single one, or its partitions. Throws `BUS_NOT_FOUND` for a missing stream,
 * `BUS_CONFLICT` for another definition.
 */
export async function ensureConsumers(
  connection: Connection,
  family: readonly ResolvedConsumer[],
): Promise<readonly ConsumerInfo[]> {
  const present = await Promise.all(family.map(({ stream, name }) => findConsumer(connection, stream, name)))
  const missing = family.find((_, at) => present[at] === undefined)
  if (missing !== undefined) await assertDividedAlike(connection, missing)
  const infos: ConsumerInfo[] = []
  for (const [at, wanted] of family.entries()) infos.push(await ensure(connection, wanted, present[at]))
  return infos
}

async function ensure(
  connection: Connection,
  wanted: ResolvedConsumer,
  present: ConsumerInfo | undefined,
): Promise<ConsumerInfo> {
  if (present === undefined) return createConsumer(connection, wanted, wanted.from)
  assertSame(wanted, present)
  return (await bringBack(connection, wanted, present)) ?? present
}

/** In another number of partitions it has other durable consumers, which would all be handed everything again. */
async function assertDividedAlike({ jsm }: Connection, { stream, name, partitions }: ResolvedConsumer): Promise<void> {
  const { consumer } = familyOf(name)
  for await (const other of jsm.consumers.list(stream)) {
    const theirs = familyOf(other.name)
    if (theirs.consumer === consumer && theirs.partitions !== partitions)
      throw conflict(consumer, stream, `partitions is ${theirs.partitions} and was asked to be ${partitions}`)
  }
}

/**
 * After a power cut a stream can end earlier than it did, and its consumers stand beyond that end: they would be handed nothing until it
 * is reached again (JS-C3). Such a consumer is made anew, from when it was last handed anything: what was stored since is new.
 * @returns the new one; undefined when nothing was wrong
 */
export async function bringBack(
  connection: Connection,
  wanted: ResolvedConsumer,
  present: ConsumerInfo,
): Promise<ConsumerInfo | undefined> {
  const { jsm, host } = connection
  const { stream, name } = wanted
  try {
    const { state } = await insist(() => jsm.streams.info(stream))
    const { stream_seq: reached, last_active: lastActive } = present.delivered
    if (reached <= state.last_seq) return undefined
    const from = lastActive === undefined ? { sequence: state.last_seq + 1 } : { timeMs: Date.parse(`${lastActive}`) }
    const fields = { consumer: name, stream, reached, end: state.last_seq }
    host.logger.log('error', 'the stream has lost its end: the consumer stood beyond it and is made anew', fields)
    await jsm.consumers.delete(stream, name)
    return await createConsumer(connection, wanted, from)
  } catch (thrown) {
    throw clientFailure(`look at the position of consumer ${name} of stream ${stream}`, thrown)
  }
}

/** @param from where it starts; differs from the definition's when a consumer that disappeared is made anew */
export async function createConsumer(
  { jsm }: Connection,
  wanted: ResolvedConsumer,
  from: ResolvedStart,
): Promise<ConsumerInfo> {
  try {
    const info = await insist(() => jsm.consumers.add(wanted.stream, toConfig(wanted, from)))
    assertSame(wanted, info)
    return info
  } catch (thrown) {
    throw clientFailure(`create consumer ${wanted.name} of stream ${wanted.stream}`, thrown)
  }
}

/**
 * Somebody deleted the consumer (JS-C1). It goes on at the floor: what was settled since that was last seen is delivered again. In a
 * stream that was made anew, too, positions begin at 1 again (JS-C4), and so does the consumer.
 * @param origin the stream that it was of, and up to where everything was settled when the server was last asked
 * @returns when the stream there now was made; undefined while there is none
 */
export async function makeAnew(
  connection: Connection,
  wanted: ResolvedConsumer,
  { floor, created }: { readonly floor: number; readonly created: string },
): Promise<string | undefined> {
  const { name, stream } = wanted
  const found = await findStream(connection.jsm, stream)
  if (found === undefined) return undefined
  const from: ResolvedStart = found.created === created ? { sequence: floor + 1 } : 'all'
  const fields = { consumer: name, stream, from: JSON.stringify(from) }
  connection.host.logger.log('warn', 'the consumer disappeared and is made anew', fields)
  await createConsumer(connection, wanted, from)
  return found.created
}

function toConfig(consumer: ResolvedConsumer, from: ResolvedStart): ConsumerConfig {
  const { name, filters, ackWaitMs, maxInFlight, replay } = consumer
  const [only, ...others] = filters
  return {
    durable_name: name,
    name,
    ack_policy: AckPolicy.Explicit,
    ack_wait: ackWaitMs * NS_PER_MS,
    // Attempts are counted here: at its own limit a server leaves the message where it is, delivered to nobody (JS-S6).
    max_deliver: -1,
    max_ack_pending: maxInFlight,
    max_waiting: MAX_WAITING,
    replay_policy: replay === 'original' ? ReplayPolicy.Original : ReplayPolicy.Instant,
    ...startConfig(from),
    ...(others.length === 0 && only !== undefined ? { filter_subject: only } : { filter_subjects: [...filters] }),
    metadata: { [DEFINITION]: JSON.stringify(consumer) },
  }
}

/** Always said, never left to a default (JS-L5). */
export function startConfig(
  from: ResolvedStart,
): Pick<ConsumerConfig, 'deliver_policy' | 'opt_start_seq' | 'opt_start_time'> {
  if (from === 'all') return { deliver_policy: DeliverPolicy.All }
  if (from === 'new') return { deliver_policy: DeliverPolicy.New }
  if (from === 'last') return { deliver_policy: DeliverPolicy.Last }
  if (from === 'last-per-subject') return { deliver_policy: DeliverPolicy.LastPerSubject }
  if ('sequence' in from) return { deliver_policy: DeliverPolicy.StartSequence, opt_start_seq: from.sequence }
  const timeMs = Math.min(Math.ceil(from.timeMs), LAST_TIME_MS)
  return { deliver_policy: DeliverPolicy.StartTime, opt_start_time: new Date(timeMs).toISOString() }
}

function assertSame(wanted: ResolvedConsumer, { config }: ConsumerInfo): void {
  const differs = difference(wanted, definitionOf(wanted, config)) ?? unfit(config)
  if (differs !== undefined) throw conflict(wanted.name, wanted.stream, differs)
}

function conflict(consumer: string, stream: string, differs: string): BusError {
  const remedy = 'Use the same definition everywhere, or a new name'
  const problem = `it exists with another definition: ${differs}. ${remedy}`
  return failure(`consumer ${consumer} of stream ${stream}`, 'BUS_CONFLICT', problem)
}

/** What the server does counts, not what the metadata says it was asked to do; only the start cannot be seen. */
function definitionOf(wanted: ResolvedConsumer, config: ConsumerConfig): ResolvedConsumer {
  const declared = parseDefinition(config.metadata?.[DEFINITION])
  return {
    name: wanted.name,
    stream: wanted.stream,
    filters: [config.filter_subject ?? config.filter_subjects ?? '>'].flat().toSorted(),
    from: declared?.from ?? wanted.from,
    ackWaitMs: (config.ack_wait ?? 0) / NS_PER_MS,
    maxInFlight: config.max_ack_pending ?? 0,
    replay: config.replay_policy === ReplayPolicy.Original ? 'original' : 'instant',
    order: declared?.order ?? 'none',
    partitions: familyOf(wanted.name).partitions,
  }
}

function parseDefinition(text: string | undefined): Partial<ResolvedConsumer> | undefined {
  try {
    return text === undefined ? undefined : JSON.parse(text)
  } catch {
    return undefined
  }
}

/** Settings that would break a promise: a limit of deliveries strands messages (JS-S6), a threshold deletes the consumer (JS-C2). */
function unfit(config: ConsumerConfig): string | undefined {
  if (config.ack_policy !== AckPolicy.Explicit) return `ack_policy is ${config.ack_policy} and must be explicit`
  if ((config.max_deliver ?? -1) > 0) return `max_deliver is ${config.max_deliver} and must be unlimited`
  if ((config.inactive_threshold ?? 0) > 0)
    return `inactive_threshold is ${config.inactive_threshold} ns and must be 0; the stream's consumer_limits may set it`
  if ((config.backoff ?? []).length > 0) return 'backoff is set and must not be (JS-S5)'
  if (config.deliver_subject !== undefined) return 'it is a push consumer and must be a pull consumer'
  return undefined
}
