/**
 * JetStream on a real server: publishing, consuming, both at once, and how long a message takes; each beside the official client in the
 * same run. Whatever is measured is looked up on the server afterwards: every message stored once, every one acknowledged.
 */
import { setTimeout as delay } from 'node:timers/promises'
import { type Contender, IN_FLIGHT, type Order, order, type Prepared } from '../contender.js'
import { Handled, publishAll } from '../load.js'
import { BenchStream, durability, type Sync } from '../servers.js'
import { type OpenPeer, openBarePeer, openBusPeer, openOfficialPeer, PATIENT, type Peer } from './nats-peers.js'

const bus = openBusPeer({ concurrency: 64 })
const busAhead = openBusPeer({ concurrency: 64, prefetch: 448 })
const busPatient = openBusPeer({}, PATIENT)

const OFFICIAL = 'official client'
const BARE = 'bare loop on the official connection'

const CALLERS = [64, 256, 1024] as const
const RATES = [1000, 10_000] as const

export const natsContenders: readonly Contender[] = [
  publisher('nats-publish', `busbar: ${IN_FLIGHT} publishes in flight`, bus, IN_FLIGHT),
  publisher('nats-publish-official', `${OFFICIAL}: the same with js.publish`, openOfficialPeer, IN_FLIGHT),
  publisher('nats-publish-bare', `${BARE}: the same, no headers`, openBarePeer, IN_FLIGHT),
  publisher('nats-single', 'busbar: one publish at a time', bus, 1),
  publisher('nats-single-official', `${OFFICIAL}: the same`, openOfficialPeer, 1),
  consumer('nats-consume', 'busbar: a backlog, pool of 64, decoded, each acknowledged', bus),
  consumer('nats-consume-448', 'busbar: the same with prefetch: 448', busAhead),
  consumer('nats-consume-official', `${OFFICIAL}: the same with the consume() iterator`, openOfficialPeer),
  consumer('nats-consume-bare', `${BARE}: the same with pull requests`, openBarePeer),
  flow('nats-flow', 'busbar: published to handled, 256 publishes in flight, pool of 64', bus),
  flow('nats-flow-official', `${OFFICIAL}: the same with js.publish and the consume() iterator`, openOfficialPeer),
  ...RATES.flatMap((rate) => [
    latency(`nats-latency-${rate}`, `busbar: publish to handler at ${rate} messages/s, pool of 64`, bus, rate),
    latency(`nats-latency-${rate}-official`, `${OFFICIAL}: the same`, openOfficialPeer, rate),
  ]),
  ...CALLERS.flatMap((callers) => [
    publisher(`nats-always-${callers}`, `busbar: ${callers} callers, each awaiting`, busPatient, callers, 'always'),
    publisher(`nats-always-${callers}-official`, `${OFFICIAL}: the same`, openOfficialPeer, callers, 'always'),
  ]),
]

function publisher(name: string, what: string, open: OpenPeer, callers: number, sync: Sync = '2 min'): Contender {
  return {
    name,
    what,
    durability: durability(sync),
    messages: ({ messages }) => Math.ceil(messages * shareOf(callers, sync)),
    prepare: async (messages) => {
      const stream = await BenchStream.create(sync)
      const peer = await open(stream)
      return {
        run: () => publishAll(peer, messages, callers),
        async close() {
          await peer.close()
          await stream.assertStored(messages)
          await stream.remove()
        },
      }
    },
  }
}

/** Of the messages of an ordinary run, so that a run takes some seconds at most. */
function shareOf(callers: number, sync: Sync): number {
  if (sync === 'always') return Math.max(callers, 256) / 12_500
  return callers === 1 ? 0.1 : 1
}

function consumer(name: string, what: string, open: OpenPeer): Contender {
  return {
    name,
    what,
    durability: durability('2 min'),
    messages: (sizes) => sizes.messages,
    prepare: async (messages) => {
      const stream = await backlogOf(messages)
      const peer = await open(stream)
      const handled = new Handled(messages)
      return {
        async run() {
          await peer.consume(handled.handle)
          await handled.all
          await peer.settled(messages)
        },
        async close() {
          await peer.close()
          await stream.assertSettled(messages)
          await stream.removeConsumer()
        },
      }
    },
  }
}

const backlogs = new Map<number, Promise<BenchStream>>()

/** Published by the bus, so it has the headers of one. Shared by those who consume it: nothing is removed by that. */
function backlogOf(messages: number): Promise<BenchStream> {
  const known = backlogs.get(messages) ?? createBacklog(messages)
  backlogs.set(messages, known)
  return known
}

async function createBacklog(messages: number): Promise<BenchStream> {
  const stream = await BenchStream.create('2 min')
  const peer = await bus(stream)
  await publishAll(peer, messages, IN_FLIGHT)
  await peer.close()
  return stream
}

function flow(name: string, what: string, open: OpenPeer): Contender {
  return {
    name,
    what,
    durability: durability('2 min'),
    messages: ({ messages }) => Math.ceil(messages / 2),
    prepare: async (messages) => {
      const handled = new Handled(messages)
      const { peer, close } = await openFlow(open, messages, handled.handle)
      return {
        async run() {
          await publishAll(peer, messages, IN_FLIGHT)
          await handled.all
          await peer.settled(messages)
        },
        close,
      }
    },
  }
}

/** Messages of one run are those of one second, when a run is of ordinary size. */
function latency(name: string, what: string, open: OpenPeer, rate: number): Contender {
  return {
    name,
    what,
    durability: durability('2 min'),
    messages: ({ messages }) => Math.ceil((messages * rate) / 50_000),
    prepare: async (messages) => {
      const sentAt = new Float64Array(messages)
      const latenciesMs = new Float64Array(messages)
      const handled = new Handled(messages, (received) => {
        const at = numberOf(received)
        latenciesMs[at] = performance.now() - (sentAt[at] ?? 0)
      })
      const { peer, close } = await openFlow(open, messages, handled.handle)
      return {
        latenciesMs,
        async run() {
          await publishAtRate(peer, rate, sentAt)
          await handled.all
        },
        close,
      }
    },
  }
}

/** A consumer that is there before the first message. */
async function openFlow(open: OpenPeer, messages: number, handle: (order: Order) => Promise<void>) {
  const stream = await BenchStream.create('2 min')
  const peer = await open(stream)
  await peer.consume(handle)
  const close: Prepared['close'] = async () => {
    await peer.settled(messages)
    await peer.close()
    await stream.assertStored(messages)
    await stream.assertSettled(messages)
    await stream.remove()
  }
  return { peer, close }
}

/** Sends what is due, each millisecond or as soon as the event loop turns again; nothing waits for an answer. */
async function publishAtRate(peer: Peer, rate: number, sentAt: Float64Array): Promise<void> {
  const stored: Promise<unknown>[] = []
  const startedAt = performance.now()
  while (stored.length < sentAt.length) {
    const due = Math.min(sentAt.length, Math.ceil(((performance.now() - startedAt) / 1000) * rate))
    while (stored.length < due) {
      sentAt[stored.length] = performance.now()
      stored.push(peer.publish(numbered(stored.length)))
    }
    await delay(1)
  }
  await Promise.all(stored)
}

/** As large as any other. */
function numbered(at: number): Order {
  return { ...order, customer: `C-${String(at).padStart(6, '0')}` }
}

function numberOf({ customer }: Order): number {
  return Number(customer.slice(2))
}
