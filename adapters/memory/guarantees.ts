/** What the memory backend promises (`guarantees.md`, column "memory"), as data. All of it is seen in this process. */
import type { Guarantee } from '../../src/adapter.js'

export const guarantees: readonly Guarantee[] = [
  { topic: 'accepted', promise: "the message is in this process's heap", observed: 'stored before publish() resolves' },
  {
    topic: 'lost-only-if',
    promise: 'the process exits, or a limit of a stream with discard "old" or maxAge is reached',
    observed: 'no disk, no second copy',
  },
  {
    topic: 'delivery',
    promise: 'at least once per consumer while the process lives',
    observed: 'settled by ack or term only',
  },
  { topic: 'phantoms', promise: 'never', observed: 'publish is synchronous: it never ends unknown' },
  {
    topic: 'publish-dedup',
    promise: "the same id within the stream's dedupWindow",
    observed: 'at most 200,000 ids a stream; other content is BUS_ID_CONFLICT',
  },
  {
    topic: 'handler-duplicates',
    promise: 'none without a failed handler, a timeout, or an ack wait that passed',
    observed: 'ack waits are extended while a pool holds a message',
  },
  {
    topic: 'order',
    promise: 'per key and consumer, retries included, with order "key"',
    observed: 'one feed is served at a time',
  },
  { topic: 'dead-letter', promise: 'stored before the original is settled', observed: 'publish, then term' },
  { topic: 'replay', promise: 'what the stream retains', observed: 'the log in the heap' },
  {
    topic: 'shutdown',
    promise: 'no new starts; running handlers awaited; the unstarted handed back, costing no attempt',
    observed: 'release keeps the attempt count',
  },
  { topic: 'broker-down', promise: 'does not apply', observed: 'there is no broker' },
]
