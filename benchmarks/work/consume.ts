/** A backlog consumed by a pool of 64: the rate must not depend on how much that is, and neither must memory. */
import type { Contender, Load, Order, Prepared, Sizes } from '../contender.js'
import { Handled } from '../load.js'
import { type Backend, openBus } from '../place.js'
import { backlogOf, newConsumer } from './backlog.js'
import { settled } from './flow.js'

const SMALL = 10_000

export function backlogs(backend: Backend): readonly Contender[] {
  return [
    backlog(backend, '10k', 'busbar: consume a backlog of 10,000 messages', (sizes) => Math.min(SMALL, sizes.backlog)),
    backlog(backend, '1m', 'busbar: the same of 1,000,000 (as many as --backlog says)', (sizes) => sizes.backlog),
  ]
}

function backlog(backend: Backend, size: string, what: string, messages: (sizes: Sizes) => number): Contender {
  const { durability, beside } = backend
  return {
    name: `${backend.name}-backlog-${size}`,
    what,
    durability,
    beside,
    groups: ['growth'],
    messages,
    prepare: (load) => prepareBacklog(backend, load),
  }
}

async function prepareBacklog(backend: Backend, load: Load): Promise<Prepared> {
  const place = await backlogOf(backend, load)
  const bus = await openBus(place.address)
  const handled = new Handled(load)
  const consumer = { name: newConsumer(), stream: place.address.definition.name }
  return {
    async run() {
      const pool = await bus.consume(consumer, ({ data }) => handled.handle(data as Order), { concurrency: 64 })
      await handled.all
      await settled(pool, load.messages)
    },
    async close() {
      await bus.close()
      await place.assertSettled(load.messages, consumer.name)
    },
  }
}
