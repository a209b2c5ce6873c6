/**
 * Three ways to the same stream: the bus with every default on, the official client as its documentation shows it, and a bare loop over
 * the official connection, which has nothing of a bus: no ids, no time limits, no retries, no second connection.
 */
import { setImmediate as nextTurn } from 'node:timers/promises'
import { jetstream } from '@nats-io/jetstream'
import { connect, createInbox, type Msg, type NatsConnection } from '@nats-io/transport-node'
import type { Pool, PoolOptions, PublishOptions } from '../../src/index.js'
import type { Order } from '../contender.js'
import { CONSUMER, openBus } from '../place.js'
import type { BenchStream } from '../streams.js'

/** One connection. */
export interface Peer {
  /** Resolves once it is stored. */
  publish(order: Order): Promise<unknown>
  /** Makes the consumer, has every message handled, and acknowledges each when its handler is done. */
  consume(handle: (order: Order) => Promise<void>): Promise<void>
  /** Resolves once that many acknowledgements have left. */
  settled(messages: number): Promise<unknown>
  close(): Promise<unknown>
}

export type OpenPeer = (stream: BenchStream) => Promise<Peer>

/** @param options of each publish */
export function openBusPeer(pool: PoolOptions, options?: PublishOptions): OpenPeer {
  return async (stream) => {
    const bus = await openBus(stream.address)
    let running: Pool | undefined
    return {
      publish: (order) => bus.publish(stream.subject, order, options),
      async consume(handle) {
        running = await bus.consume(
          { name: CONSUMER, stream: stream.name },
          (message) => handle(message.data as Order),
          pool,
        )
      },
      async settled(messages) {
        while (running !== undefined && running.stats().handled < messages) await nextTurn()
      },
      close: () => bus.close(),
    }
  }
}

/** A publish that waits for a slow disk behind a thousand others can take longer than the default of five seconds, in ms. */
export const PATIENT = { timeout: 60_000 }

export async function openOfficialPeer(stream: BenchStream): Promise<Peer> {
  const nats = await connect({ servers: stream.url.split(',') })
  const js = jetstream(nats)
  return {
    publish: (order) => js.publish(stream.subject, JSON.stringify(order), PATIENT),
    async consume(handle) {
      await stream.addConsumer()
      const consumer = await js.consumers.get(stream.name, CONSUMER)
      const messages = await consumer.consume()
      const work = async (): Promise<void> => {
        for await (const message of messages) {
          await handle(message.json<Order>())
          message.ack()
        }
      }
      // A handler that fails ends the process, and the run with it.
      void work()
    },
    settled: () => nats.flush(),
    close: () => nats.close(),
  }
}

export async function openBarePeer(stream: BenchStream): Promise<Peer> {
  const nats = await connect({ servers: stream.url.split(',') })
  return {
    publish: barePublisher(nats, stream.subject),
    async consume(handle) {
      await stream.addConsumer()
      barePull(nats, `$JS.API.CONSUMER.MSG.NEXT.${stream.name}.${CONSUMER}`, handle)
    },
    settled: () => nats.flush(),
    close: () => nats.close(),
  }
}

/** `{"stream":` begins what is stored, `{"error":` what is not. */
const STORED = 's'.charCodeAt(0)

/** One subscription for all answers, a number for each message. */
function barePublisher(nats: NatsConnection, subject: string): Peer['publish'] {
  const inbox = `${createInbox()}.`
  const waiting = new Map<number, (answer: Msg) => void>()
  let count = 0
  nats.subscribe(`${inbox}*`, {
    callback: (_, answer) => {
      const number = Number(answer.subject.slice(inbox.length))
      waiting.get(number)?.(answer)
      waiting.delete(number)
    },
  })
  return (order) =>
    new Promise<void>((resolve, reject) => {
      const number = ++count
      waiting.set(number, (answer) => {
        if (answer.data[2] === STORED) resolve()
        else reject(new Error(answer.string()))
      })
      nats.publish(subject, Buffer.from(JSON.stringify(order)), { reply: inbox + number })
    })
}

const PULL = 256
const ACK = Buffer.from('+ACK')

/** Two requests open, so that one is being filled while the other is asked for. */
function barePull(nats: NatsConnection, subject: string, handle: (order: Order) => Promise<void>): void {
  const inbox = `${createInbox()}.`
  let received = 0
  const ask = (): void => nats.publish(subject, JSON.stringify({ batch: PULL, expires: 30e9 }), { reply: `${inbox}1` })
  nats.subscribe(`${inbox}*`, {
    callback: (_, message) => {
      const { reply } = message
      // The end of a request, not a message.
      if (reply === undefined || reply === '') return
      if (++received % PULL === 0) ask()
      void handle(
        JSON.parse(Buffer.from(message.data.buffer, message.data.byteOffset, message.data.length).toString()),
      ).then(() => nats.publish(reply, ACK))
    },
  })
  ask()
  ask()
}
