/**
 * Where the messages of a run go: a stream of its own, on any backend; and the address by which another process finds it.
 */
import { type DualOptions, dual } from '../adapters/dual/index.js'
import { jetstream } from '../adapters/jetstream/index.js'
import { memory } from '../adapters/memory/index.js'
import type { Adapter } from '../src/adapter.js'
import { createBus, type MessageBus, type StreamDefinition } from '../src/index.js'
import { type Beside, IN_HEAP } from './contender.js'

export interface Place {
  readonly address: PlaceAddress
  readonly subject: string
  /** Rejects unless it holds that many messages, each of them once. Ask before the bus is closed. */
  assertStored(messages: number): Promise<void>
  /** Rejects unless that many are settled by the consumer. */
  assertSettled(messages: number, consumer?: string): Promise<void>
  remove(): Promise<void>
}

/** Can be sent to another process; nobody else gets into memory. */
export interface PlaceAddress {
  readonly definition: StreamDefinition
  readonly nats?: { readonly servers: readonly string[]; readonly syncInterval?: 'always' }
  readonly dual?: Omit<DualOptions, 'inner'>
}

export interface Backend {
  /** The beginning of the names of its contenders. */
  readonly name: string
  readonly beside: Beside
  readonly durability: string
  /** A new, empty place. */
  create(): Promise<Place>
}

/** The one durable consumer that a stream has at a time. */
export const CONSUMER = 'billing'

export const ORDERS: StreamDefinition = { name: 'orders', subjects: ['orders.>'] }

/** Connected, with every default on. */
export async function openBus(address: PlaceAddress): Promise<MessageBus> {
  const bus = createBus({ adapter: adapterOf(address), streams: [address.definition] })
  await bus.connect()
  return bus
}

function adapterOf({ nats, dual: ledger }: PlaceAddress): Adapter {
  const inner = nats === undefined ? memory() : jetstream(nats)
  return ledger === undefined ? inner : dual({ ...ledger, inner })
}

/** What is in it goes with its bus. */
export const inMemory: Backend = {
  name: 'memory',
  beside: 'memory',
  durability: IN_HEAP,
  create: async () => {
    const nothing = async (): Promise<void> => {}
    const address = { definition: ORDERS }
    return { address, subject: 'orders.placed', assertStored: nothing, assertSettled: nothing, remove: nothing }
  },
}
