/**
 * Streams on the server as they were declared: created when missing, changed where a server allows it, refused with both values where
 * it does not. What the server made of a definition is read back and compared, because accounts and servers have defaults of their own
 * (JS-L4, JS-L5).
 */
import {
  JetStreamApiError,
  type JetStreamManager,
  type StoredMsg,
  type StreamConfig,
  type StreamInfo,
} from '@nats-io/jetstream'
import type { ProvisionReport } from '../../../src/adapter.js'
import type { BusError } from '../../../src/errors.js'
import type { ResolvedStream } from '../../../src/topology.js'
import { clientFailure, failure, isMissing, SERVER } from '../failure.js'
import { insist } from '../insist.js'
import { OWN_HEADER_BYTES } from '../wire.js'

const NS_PER_MS = 1_000_000
/** The least that a server takes for `max_age` and `duplicate_window` (JS-D5). */
const SERVER_MIN_MS = 100
const UNLIMITED = -1
/** What cannot change once a stream exists. */
const IMMUTABLE = ['storage', 'retention'] as const

/** The part of a stream's configuration that is ours to say. Everything else is left as it is. */
export type OwnStreamConfig = Pick<
  StreamConfig,
  | 'name'
  | 'subjects'
  | 'storage'
  | 'retention'
  | 'max_age'
  | 'max_bytes'
  | 'max_msgs'
  | 'max_msg_size'
  | 'discard'
  | 'num_replicas'
  | 'duplicate_window'
  | 'compression'
>

/** @param gainsByBatches which streams are to take atomic batches, where the server lets them */
export async function provisionStreams(
  jsm: JetStreamManager,
  streams: readonly ResolvedStream[],
  gainsByBatches: (stream: ResolvedStream) => boolean = () => false,
): Promise<ProvisionReport> {
  const wanted = streams.map((stream) => toConfig(stream))
  const present = await Promise.all(wanted.map((config) => findStream(jsm, config.name)))
  for (const [at, config] of wanted.entries()) {
    const info = present[at]
    if (info !== undefined) assertMutable(config, info)
    await assertFree(jsm, config)
  }
  const report = { created: [] as string[], updated: [] as string[], unchanged: [] as string[] }
  for (const [at, stream] of streams.entries())
    report[await bringAbout(jsm, stream, present[at], gainsByBatches(stream))].push(stream.name)
  return report
}

/** Undefined when there is no such stream. */
export async function findStream(jsm: JetStreamManager, name: string): Promise<StreamInfo | undefined> {
  try {
    return await insist(() => jsm.streams.info(name))
  } catch (thrown) {
    if (isMissing(thrown)) return undefined
    throw clientFailure(`look up stream ${name}`, thrown)
  }
}

/** @returns whether it was there */
export async function removeMessage(jsm: JetStreamManager, stream: string, sequence: number): Promise<boolean> {
  try {
    return await jsm.streams.deleteMessage(stream, sequence, false)
  } catch (thrown) {
    // Servers have one code for "it is not there" and for "the store failed"; only the message itself can tell.
    const isAmbiguous = thrown instanceof JetStreamApiError && thrown.code === SERVER.messageDeleteFailed
    if (isMissing(thrown) || (isAmbiguous && (await findMessage(jsm, stream, sequence)) === undefined)) return false
    throw clientFailure(`remove message ${sequence} of stream ${stream}`, thrown)
  }
}

/** Undefined when there is none. */
export async function findMessage(
  jsm: JetStreamManager,
  stream: string,
  sequence: number,
): Promise<StoredMsg | undefined> {
  try {
    return (await jsm.streams.getMessage(stream, { seq: sequence })) ?? undefined
  } catch (thrown) {
    if (isMissing(thrown)) return undefined
    throw clientFailure(`look for message ${sequence} of stream ${stream}`, thrown)
  }
}

export function toConfig(stream: ResolvedStream): OwnStreamConfig {
  const { name, subjects, storage, retention, discard, replicas } = stream
  return {
    name,
    subjects: [...subjects],
    storage,
    retention: retention,
    max_age: stream.maxAgeMs === Number.POSITIVE_INFINITY ? 0 : toNanos(stream.maxAgeMs),
    max_bytes: orUnlimited(stream.maxBytes),
    max_msgs: orUnlimited(stream.maxMessages),
    max_msg_size: stream.maxMessageBytes + OWN_HEADER_BYTES,
    discard,
    num_replicas: replicas,
    duplicate_window: dedupWindow(stream),
    compression: stream.compression ? 's2' : 'none',
  }
}

/** A server takes 0 for its default of two minutes; a stream without a window is published to without ids instead. */
function dedupWindow({ dedupWindowMs, maxAgeMs }: ResolvedStream): number {
  return toNanos(Math.min(dedupWindowMs, maxAgeMs))
}

function toNanos(ms: number): number {
  return Math.max(ms, SERVER_MIN_MS) * NS_PER_MS
}

function orUnlimited(limit: number): number {
  return limit === Number.POSITIVE_INFINITY ? UNLIMITED : limit
}

async function bringAbout(
  jsm: JetStreamManager,
  stream: ResolvedStream,
  present: StreamInfo | undefined,
  isBatching: boolean,
): Promise<'created' | 'updated' | 'unchanged'> {
  const config = toConfig(stream)
  const wanted = isBatching && mayTakeBatches(present) ? { ...config, allow_atomic: true } : config
  try {
    if (present === undefined) {
      assertEffective(config, await insist(() => jsm.streams.add({ ...wanted, allow_direct: true })))
      return 'created'
    }
    if (firstDifference(wanted, present.config) === undefined) return 'unchanged'
    assertEffective(config, await jsm.streams.update(config.name, { ...present.config, ...wanted }))
    return 'updated'
  } catch (thrown) {
    throw clientFailure(`provision stream ${config.name}`, thrown)
  }
}

/** A wish, not a declaration: without it publishing is slower and as safe. Refused beside asynchronous persistence (JS-P7). */
function mayTakeBatches(present: StreamInfo | undefined): boolean {
  return present?.config.persist_mode !== 'async'
}

function assertMutable(wanted: OwnStreamConfig, { config: actual }: StreamInfo): void {
  for (const field of IMMUTABLE) {
    if (wanted[field] === actual[field]) continue
    throw conflict(
      wanted.name,
      `${field} is ${actual[field]} and cannot become ${wanted[field]}. Use a new stream, or declare ${field} "${actual[field]}"`,
    )
  }
}

/** Servers refuse overlapping subjects too, but only when the companions of this stream may have been created already. */
async function assertFree(jsm: JetStreamManager, { name, subjects }: OwnStreamConfig): Promise<void> {
  for (const subject of subjects) {
    const other = (await namesFor(jsm, subject)).find((taker) => taker !== name)
    if (other === undefined) continue
    throw conflict(name, `stream ${other} takes some of the subjects of "${subject}". Narrow one of them`)
  }
}

async function namesFor(jsm: JetStreamManager, subject: string): Promise<string[]> {
  const names: string[] = []
  try {
    for await (const name of jsm.streams.names(subject)) names.push(name)
    return names
  } catch (thrown) {
    throw clientFailure(`look up the streams of ${subject}`, thrown)
  }
}

function assertEffective(wanted: OwnStreamConfig, { config: actual }: StreamInfo): void {
  const difference = firstDifference(wanted, actual)
  if (difference !== undefined) throw conflict(wanted.name, `the server did not take it as declared: ${difference}`)
}

/** Only our own fields are compared. */
function firstDifference(wanted: OwnStreamConfig, actual: StreamConfig): string | undefined {
  for (const [field, value] of Object.entries(wanted)) {
    const theirs: unknown = Reflect.get(actual, field)
    if (JSON.stringify(value) !== JSON.stringify(theirs))
      return `${field} is ${JSON.stringify(theirs)} and was asked to be ${JSON.stringify(value)}`
  }
  return undefined
}

function conflict(stream: string, problem: string): BusError {
  return failure(`provision stream ${stream}`, 'BUS_CONFLICT', problem)
}
