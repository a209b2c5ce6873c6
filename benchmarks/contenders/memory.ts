/**
 * busbar on the memory backend, with every default on: publish, store, hand out to a pool of 64, decode, settle.
 */
import { setImmediate as nextTurn } from 'node:timers/promises'
import type { MessageBus, Pool } from '../../src/index.js'
import { type Contender, IN_FLIGHT, IN_HEAP, type Load, type Order, PAYLOADS, type Prepared } from '../contender.js'
import { ORDERS, openBus } from '../place.js'

const KEYS = Array.from({ length: 1000 }, (_, at) => `customer-${at}`)

export const memory: Contender = {
  name: 'memory',
  what: 'busbar: published to settled, 256 publishes in flight, pool of 64',
  durability: IN_HEAP,
  beside: 'memory',
  groups: ['throughput', 'growth'],
  payloads: PAYLOADS,
  messages: (sizes) => sizes.messages,
  prepare: (load) => prepareFlow(load, []),
}

export const memoryKeyed: Contender = {
  name: 'memory-keyed',
  what: "busbar: the same with order: 'key' and 1,000 keys",
  durability: IN_HEAP,
  beside: 'memory',
  groups: ['throughput', 'growth'],
  messages: (sizes) => sizes.messages,
  prepare: (load) => prepareFlow(load, KEYS),
}

async function prepareFlow(load: Load, keys: readonly string[]): Promise<Prepared> {
  const bus = await openMemory()
  const worker = await startWorker(bus, load, keys.length > 0 ? 'key' : 'none')
  return {
    async run() {
      await publishAll(bus, load, keys)
      await worker.settled()
    },
    close: () => bus.close(),
  }
}

export function openMemory(): Promise<MessageBus> {
  return openBus({ definition: ORDERS })
}

/** @param keys used in turn; none when empty */
export async function publishAll(
  bus: MessageBus,
  { messages, order }: Load,
  keys: readonly string[] = [],
): Promise<void> {
  for (let sent = 0; sent < messages; ) {
    const window: Promise<unknown>[] = []
    for (; window.length < IN_FLIGHT && sent < messages; sent++) {
      const key = keys[sent % keys.length]
      window.push(bus.publish('orders.placed', order, key === undefined ? undefined : { key }))
    }
    await Promise.all(window)
    // A publisher is fed by I/O, so the event loop turns between its bursts; `backlog.ts` measures what happens when nobody consumes.
    await nextTurn()
  }
}

export interface Worker {
  /** Resolves once the backend has every settlement. */
  settled(): Promise<void>
}

export async function startWorker(
  bus: MessageBus,
  { messages, order }: Load,
  ordering: 'key' | 'none',
): Promise<Worker> {
  let total = 0
  let handled = 0
  let allHandled = () => {}
  const done = new Promise<void>((resolve) => {
    allHandled = resolve
  })
  const pool = await bus.consume(
    { name: 'billing', stream: 'orders', order: ordering },
    async (message) => {
      total += (message.data as Order).total
      if (++handled === messages) allHandled()
    },
    { concurrency: 64 },
  )
  return {
    async settled() {
      await done
      await drained(pool, messages)
      if (Math.round(total / order.total) !== messages)
        throw new Error(`${messages} messages were sent, ${handled} were handled`)
    },
  }
}

async function drained(pool: Pool, messages: number): Promise<void> {
  for (let stats = pool.stats(); stats.handled < messages || stats.lag > 0; stats = pool.stats()) await nextTurn()
}
