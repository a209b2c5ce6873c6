/** busbar from publish to settled, on any backend, with as many keys, subjects, workers and pauses as a row asks for. */
import { setTimeout as delay, setImmediate as nextTurn } from 'node:timers/promises'
import type { MessageBus, Pool, PoolOptions } from '../../src/index.js'
import { type Contender, IN_FLIGHT, type Load, type Order, type Prepared } from '../contender.js'
import { Handled, publishAll } from '../load.js'
import { type Backend, CONSUMER, openBus, type Place } from '../place.js'
import type { OpenFlow } from './latency.js'

/** A publish that waits behind a hundred thousand others can take longer than the default of five seconds, in ms. */
export const PATIENT = { timeout: 60_000 }

export interface FlowOptions extends PoolOptions {
  /** Used in turn, with `order: 'key'`. Default: none. */
  readonly keys?: number
  /** Used in turn. Default 1. */
  readonly subjects?: number
  /** How long each handler waits before it is done. Default: not at all. */
  readonly pauseMs?: number
  /** Of the messages of an ordinary run, so that a run takes some seconds at most. Default 1. */
  readonly share?: number
}

type Head = Pick<Contender, 'name' | 'what' | 'groups' | 'payloads'>

export function flow(backend: Backend, head: Head, options: FlowOptions = {}): Contender {
  const { durability, beside } = backend
  const { share = 1 } = options
  return {
    ...head,
    durability,
    beside,
    messages: ({ messages }) => Math.max(1, Math.ceil(messages * share)),
    prepare: (load) => prepareFlow(backend, load, options),
  }
}

async function prepareFlow(backend: Backend, load: Load, options: FlowOptions): Promise<Prepared> {
  const { keys = 0, subjects = 1, pauseMs, share: _, ...pool } = options
  const place = await backend.create()
  const bus = await openBus(place.address)
  const handled = new Handled(load, pauseMs === undefined ? undefined : () => delay(pauseMs))
  const order = keys > 0 ? 'key' : 'none'
  const consumer = { name: CONSUMER, stream: place.address.definition.name, order } as const
  const running = await bus.consume(consumer, ({ data }) => handled.handle(data as Order), { concurrency: 64, ...pool })
  const publish = publisherOf(bus, place, keys, subjects)
  return {
    async run() {
      await publishAll({ publish }, load, IN_FLIGHT)
      await handled.all
      await settled(running, load.messages)
    },
    close: () => finish(bus, place, load.messages),
  }
}

function publisherOf(bus: MessageBus, place: Place, keys: number, subjects: number) {
  // Made beforehand: what is measured is the bus, and not the making of strings.
  const names = Array.from({ length: subjects }, (_, at) => (subjects > 1 ? `${place.subject}.${at}` : place.subject))
  const options = Array.from({ length: keys }, (_, at) => ({ key: `customer-${at}` }))
  let sent = 0
  return (order: Order): Promise<unknown> => {
    const at = sent++
    return bus.publish(names[at % subjects] ?? place.subject, order, options[at % keys])
  }
}

/** Resolves once the backend has every settlement. */
export async function settled(pool: Pool, messages: number): Promise<void> {
  for (let stats = pool.stats(); stats.handled < messages || stats.lag > 0; stats = pool.stats()) await nextTurn()
}

async function finish(bus: MessageBus, place: Place, messages: number): Promise<void> {
  await place.assertStored(messages)
  await bus.close()
  await place.assertSettled(messages)
  await place.remove()
}

/** As `latency` wants it. */
export function openBusFlow(backend: Backend): OpenFlow {
  return async (handle) => {
    const place = await backend.create()
    const bus = await openBus(place.address)
    const consumer = { name: CONSUMER, stream: place.address.definition.name }
    const pool = await bus.consume(consumer, ({ data }) => handle(data as Order), { concurrency: 64 })
    return {
      publish: (order) => bus.publish(place.subject, order, PATIENT),
      async close(messages) {
        await settled(pool, messages)
        await finish(bus, place, messages)
      },
    }
  }
}
