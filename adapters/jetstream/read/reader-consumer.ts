/** The consumer that a reader makes for itself: it settles nothing, lives in memory on one server, and is forgotten with its reader. */
import { AckPolicy, type ConsumerConfig, ReplayPolicy } from '@nats-io/jetstream'
import type { ResolvedStart } from '../../../src/topology.js'
import { startConfig } from '../consume/consumers.js'
import type { SourceDefinition } from './source.js'

const NS_PER_MS = 1_000_000
/** A server forgets a reader that has not asked for so long: it crashed, or is slow and will be made anew. */
const INACTIVE_MS = 30_000
const PREFIX = 'busbar-read-'

/** Consumers that are of no concern to anybody else. */
export function isReader(consumer: string): boolean {
  return consumer.startsWith(PREFIX)
}

/** @param inbox a new one, for its unique last token */
export function readerConfig(
  { filters, headersOnly }: SourceDefinition,
  start: ResolvedStart,
  inbox: string,
): ConsumerConfig {
  const [only = '>', ...others] = filters
  return {
    name: `${PREFIX}${inbox.split('.').at(-1)}`,
    ack_policy: AckPolicy.None,
    replay_policy: ReplayPolicy.Instant,
    mem_storage: true,
    num_replicas: 1,
    inactive_threshold: INACTIVE_MS * NS_PER_MS,
    ...startConfig(start),
    ...(others.length === 0 ? { filter_subject: only } : { filter_subjects: [only, ...others] }),
    ...(headersOnly ? { headers_only: true } : {}),
  }
}
