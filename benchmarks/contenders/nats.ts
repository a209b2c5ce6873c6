/**
 * JetStream on a real server: publishing, consuming, both at once, and how long a message takes; each beside the official client in the
 * same run. Whatever is measured is looked up on the server afterwards: every message stored once, every one acknowledged.
 */
import { type Contender, type Group, IN_FLIGHT, type Load, type Order, PAYLOADS } from '../contender.js'
import { Handled, publishAll } from '../load.js'
import { ALWAYS, BenchStream, ONE, R1, R3, type StreamKind } from '../streams.js'
import { latency } from '../work/latency.js'
import { type OpenPeer, openBarePeer, openBusPeer, openOfficialPeer, PATIENT, type Peer } from './nats-peers.js'

const bus = openBusPeer({ concurrency: 64 })
const busAhead = openBusPeer({ concurrency: 64, prefetch: 448 })
/** Behind a slow disk, or behind a hundred thousand others. */
const busPatient = openBusPeer({ concurrency: 64 }, PATIENT)

const OFFICIAL = 'official client'
const BARE = 'bare loop on the official connection'

const CALLERS = [64, 256, 1024] as const
const RATES = [1000, 10_000, 100_000] as const

export const natsContenders: readonly Contender[] = [
  publisher('nats-publish', `busbar: ${IN_FLIGHT} publishes in flight`, bus, { payloads: PAYLOADS }),
  publisher('nats-publish-official', `${OFFICIAL}: the same with js.publish`, openOfficialPeer, { payloads: PAYLOADS }),
  publisher('nats-publish-bare', `${BARE}: the same, no headers`, openBarePeer, { payloads: PAYLOADS }),
  publisher('nats-single', 'busbar: one publish at a time', bus, { callers: 1 }),
  publisher('nats-single-official', `${OFFICIAL}: the same`, openOfficialPeer, { callers: 1 }),
  consumer('nats-consume', 'busbar: a backlog, pool of 64, decoded, each acknowledged', bus),
  consumer('nats-consume-448', 'busbar: the same with prefetch: 448', busAhead),
  consumer('nats-consume-official', `${OFFICIAL}: the same with the consume() iterator`, openOfficialPeer),
  consumer('nats-consume-bare', `${BARE}: the same with pull requests`, openBarePeer),
  flow('nats-flow', 'busbar: published to handled, 256 publishes in flight, pool of 64', bus),
  flow('nats-flow-official', `${OFFICIAL}: the same with js.publish and the consume() iterator`, openOfficialPeer),
  ...RATES.flatMap((rate) => [
    atRate(`nats-latency-${rate}`, `busbar: publish to handler at ${rate} messages/s, pool of 64`, busPatient, rate),
    atRate(`nats-latency-${rate}-official`, `${OFFICIAL}: the same`, openOfficialPeer, rate),
    atRate(`nats-latency-${rate}-bare`, `${BARE}: the same`, openBarePeer, rate),
  ]),
  ...CALLERS.flatMap((callers) => {
    const load = { callers, groups: ['sync'], kind: ALWAYS } as const
    return [
      publisher(`nats-default-${callers}`, `busbar: ${callers} callers, each awaiting`, busPatient, {
        ...load,
        kind: ONE,
      }),
      publisher(`nats-always-${callers}`, 'busbar: the same', busPatient, load),
      publisher(`nats-always-${callers}-official`, `${OFFICIAL}: the same`, openOfficialPeer, load),
    ]
  }),
  ...[R1, R3].flatMap((kind) => {
    const load = { groups: ['replicas'], kind } as const
    return [
      publisher(`${kind.name}-publish`, `busbar: ${IN_FLIGHT} publishes in flight, a cluster of three`, bus, load),
      publisher(`${kind.name}-publish-official`, `${OFFICIAL}: the same`, openOfficialPeer, load),
    ]
  }),
]

interface Options {
  /** Default 256. */
  readonly callers?: number
  /** Default: one server, which syncs every two minutes. */
  readonly kind?: StreamKind
  readonly groups?: readonly Group[]
  readonly payloads?: readonly number[]
}

function publisher(name: string, what: string, open: OpenPeer, options: Options = {}): Contender {
  const { callers = IN_FLIGHT, kind = ONE, groups = ['throughput'], payloads } = options
  return {
    name,
    what,
    durability: kind.durability,
    beside: 'nats',
    groups,
    ...(payloads === undefined ? {} : { payloads }),
    messages: ({ messages }) => Math.ceil(messages * shareOf(callers, kind)),
    prepare: async (load) => {
      const stream = await BenchStream.create(kind)
      const peer = await open(stream)
      const acceptedMs = new Float64Array(load.messages)
      return {
        acceptedMs,
        run: () => publishAll(peer, load, callers, acceptedMs),
        async close() {
          await peer.close()
          await stream.assertStored(load.messages)
          await stream.remove()
        },
      }
    },
  }
}

/** Of the messages of an ordinary run, so that a run takes some seconds at most. */
function shareOf(callers: number, kind: StreamKind): number {
  if (kind === ALWAYS) return Math.max(callers, 256) / 12_500
  if (kind === R1 || kind === R3) return 0.2
  return callers === 1 ? 0.1 : 1
}

function consumer(name: string, what: string, open: OpenPeer): Contender {
  return {
    name,
    what,
    durability: ONE.durability,
    beside: 'nats',
    groups: ['throughput'],
    messages: (sizes) => sizes.messages,
    prepare: async (load) => {
      const stream = await backlogOf(load)
      const peer = await open(stream)
      const handled = new Handled(load)
      return {
        async run() {
          await peer.consume(handled.handle)
          await handled.all
          await peer.settled(load.messages)
        },
        async close() {
          await peer.close()
          await stream.assertSettled(load.messages)
          await stream.removeConsumer()
        },
      }
    },
  }
}

const backlogs = new Map<string, Promise<BenchStream>>()

/** Published by the bus, so it has the headers of one. Shared by those who consume it: nothing is removed by that. */
function backlogOf(load: Load): Promise<BenchStream> {
  const name = `${load.messages} ${load.order.note.length}`
  const known = backlogs.get(name) ?? createBacklog(load)
  backlogs.set(name, known)
  return known
}

async function createBacklog(load: Load): Promise<BenchStream> {
  const stream = await BenchStream.create(ONE)
  const peer = await bus(stream)
  await publishAll(peer, load, IN_FLIGHT)
  await peer.close()
  return stream
}

function flow(name: string, what: string, open: OpenPeer): Contender {
  return {
    name,
    what,
    durability: ONE.durability,
    beside: 'nats',
    groups: ['throughput', 'growth'],
    messages: ({ messages }) => Math.ceil(messages / 2),
    prepare: async (load) => {
      const handled = new Handled(load)
      const { peer, close } = await openFlow(open, handled.handle)
      return {
        async run() {
          await publishAll(peer, load, IN_FLIGHT)
          await handled.all
          await peer.settled(load.messages)
        },
        close: () => close(load.messages),
      }
    },
  }
}

function atRate(name: string, what: string, open: OpenPeer, rate: number): Contender {
  return latency({ name, what, durability: ONE.durability, beside: 'nats' }, rate, async (handle) => {
    const { peer, close } = await openFlow(open, handle)
    return { publish: (order) => peer.publish(order), close }
  })
}

/** A consumer that is there before the first message. */
async function openFlow(open: OpenPeer, handle: (order: Order) => Promise<void>) {
  const stream = await BenchStream.create(ONE)
  const peer: Peer = await open(stream)
  await peer.consume(handle)
  const close = async (messages: number): Promise<void> => {
    await peer.settled(messages)
    await peer.close()
    await stream.assertStored(messages)
    await stream.assertSettled(messages)
    await stream.remove()
  }
  return { peer, close }
}
