/** The official NATS client beside busbar where that is more than publishing and consuming: live subscribers, reading again, starting, draining. */
import { DeliverPolicy, jetstream, jetstreamManager } from '@nats-io/jetstream'
import { connect } from '@nats-io/transport-node'
import type { Contender, Order } from '../contender.js'
import { BenchStream, ONE, onNats } from '../streams.js'
import { backlogOf, newConsumer } from '../work/backlog.js'
import { fanOut, type Hub } from '../work/fan-out.js'
import { life, type Once } from '../work/life.js'
import { type Reader, replay } from '../work/replay.js'

const OFFICIAL = 'official client'

export const officialReplay: Contender = replay(
  onNats(ONE),
  { name: 'nats-replay-official', what: `${OFFICIAL}: the same with its ordered consumer` },
  async (backend, load): Promise<Reader> => {
    const { address } = await backlogOf(backend, load)
    const nats = await connect({ servers: [...(address.nats?.servers ?? [])] })
    return {
      async read(onOrder) {
        const consumer = await jetstream(nats).consumers.get(address.definition.name)
        const all = await consumer.consume()
        for await (const message of all) {
          onOrder(message.json<Order>())
          if (message.seq === load.messages) break
        }
        await all.close()
      },
      close: () => nats.close(),
    }
  },
)

export const officialStart: Contender = life(
  onNats(ONE),
  { name: 'nats-start-official', what: `${OFFICIAL}: connect, a durable consumer, one message published and handled` },
  startOnce,
)

export function officialFanOut(subscribers: number): Contender {
  const what = `${OFFICIAL}: ${subscribers} core subscriptions on what js.publish stores`
  const name = `nats-fan-out-${subscribers}-official`
  return fanOut({ name, what, durability: ONE.durability, beside: 'nats' }, subscribers, openHub)
}

async function openHub(): Promise<Hub> {
  const stream = await BenchStream.create(ONE)
  const nats = await connect({ servers: stream.url })
  const js = jetstream(nats)
  return {
    publish: (order) => js.publish(stream.subject, JSON.stringify(order)),
    async subscribe(hear) {
      nats.subscribe(stream.subject, { callback: (_, message) => void hear(message.json<Order>()) })
      await nats.flush()
    },
    async close() {
      await nats.close()
      await stream.remove()
    },
  }
}

async function startOnce(...[{ address, subject }, { order }]: Parameters<Once>): Promise<number> {
  const startedAt = performance.now()
  const nats = await connect({ servers: [...(address.nats?.servers ?? [])] })
  const js = jetstream(nats)
  const { name } = address.definition
  const durable = newConsumer()
  await (await jetstreamManager(nats)).consumers.add(name, { durable_name: durable, deliver_policy: DeliverPolicy.New })
  const messages = await (await js.consumers.get(name, durable)).consume()
  await js.publish(subject, JSON.stringify(order))
  for await (const message of messages) {
    message.json()
    message.ack()
    break
  }
  const tookMs = performance.now() - startedAt
  await nats.close()
  return tookMs
}
