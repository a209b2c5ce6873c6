/** What this backend promises (`guarantees.md`, column "nats"), as data, each line with what was seen that supports it. */
import type { Guarantee } from '../../../src/adapter.js'
import { securityNote } from '../connect/server-version.js'
import { describeSync, type SyncMode } from './sync-mode.js'

/** A stream as the server has it. */
export interface ObservedStream {
  readonly name: string
  readonly storage: string
  readonly replicas: number
  readonly discard: string
  readonly hasLimits: boolean
  readonly dedupWindowMs: number
}

const PHANTOMS: Guarantee = {
  topic: 'phantoms',
  promise: 'never; a publish that ended unknown may be delivered',
  observed: 'acks are checked for stream and sequence',
}

const HANDLER_DUPLICATES: Guarantee = {
  topic: 'handler-duplicates',
  promise: 'after a crash, a lost ack, an expired ack wait or a leader change; never more than attempts',
  observed: 'ack waits are extended while a pool holds a message; acks are not confirmed',
}

const ORDER: Guarantee = {
  topic: 'order',
  promise: 'per key and consumer, retries included, with order "key", also across processes',
  observed: 'one process is served at a time, by a lease',
}

const DEAD_LETTER: Guarantee = {
  topic: 'dead-letter',
  promise: 'acknowledged in its stream before the original is settled; a crash in between may leave two, never none',
  observed: 'publish, then term',
}

const SHUTDOWN: Guarantee = {
  topic: 'shutdown',
  promise: 'no new starts; running handlers awaited; the unstarted handed back, costing no attempt',
  observed: 'hand-backs are counted',
}

const BROKER_DOWN: Guarantee = {
  topic: 'broker-down',
  promise: 'publishes end rejected or unknown within their timeout',
  observed: 'no publish is left to the unbounded buffer of the client',
}

/** @param streams those that the server showed; none while it cannot be asked */
export function guaranteesOf(
  version: string,
  sync: SyncMode,
  streams: readonly ObservedStream[],
): readonly Guarantee[] {
  return [
    accepted(version, streams),
    lostOnlyIf(sync, streams),
    {
      topic: 'delivery',
      promise: 'at least once per consumer, for messages that the stream retains',
      observed: each(streams, ({ hasLimits }) => (hasLimits ? 'limits may remove what was not handled' : 'no limits')),
    },
    PHANTOMS,
    {
      topic: 'publish-dedup',
      promise: "best effort within the stream's dedupWindow; not for removed messages after a restart",
      observed: each(streams, ({ dedupWindowMs }) => `window ${dedupWindowMs} ms`),
    },
    HANDLER_DUPLICATES,
    ORDER,
    DEAD_LETTER,
    {
      topic: 'replay',
      promise: 'what the stream retains',
      observed: each(streams, ({ discard, hasLimits }) => (hasLimits ? `limits, discard ${discard}` : 'everything')),
    },
    SHUTDOWN,
    BROKER_DOWN,
  ]
}

function accepted(version: string, streams: readonly ObservedStream[]): Guarantee {
  const insecure = securityNote(version) === undefined ? '' : ', below the security floor'
  const copies = each(streams, ({ replicas }) => `${replicas} replica${replicas > 1 ? 's' : ''}`)
  return {
    topic: 'accepted',
    promise: 'acknowledged by the stream, with a sequence: by one server, or by a quorum of its replicas',
    observed: `server ${version}${insecure}; ${copies}`,
  }
}

function lostOnlyIf(sync: SyncMode, streams: readonly ObservedStream[]): Guarantee {
  const limits = 'a limit of a stream with discard "old" or maxAge is reached'
  return {
    topic: 'lost-only-if',
    promise: `the stores of enough servers are lost, ${powerCut(sync)}or ${limits}`,
    observed: `${describeSync(sync)}; ${each(streams, ({ storage, discard }) => `${storage}, discard ${discard}`)}`,
  }
}

/** Servers that sync before they acknowledge lose nothing in a power cut. */
function powerCut({ mode, intervalMs }: SyncMode): string {
  if (mode === 'always') return ''
  const time = mode === 'unknown' ? 'sync_interval (2 minutes by default)' : `${intervalMs} ms`
  return `power fails within ${time} of the ack on enough of them, `
}

function each(streams: readonly ObservedStream[], say: (stream: ObservedStream) => string): string {
  return streams.length === 0 ? 'unknown' : streams.map((stream) => `${stream.name}: ${say(stream)}`).join('; ')
}
