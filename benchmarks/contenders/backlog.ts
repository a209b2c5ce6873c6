/**
 * Consuming what has piled up: the rate must not depend on how much that is.
 */
import { type Contender, IN_HEAP, type Load, type Prepared } from '../contender.js'
import { openMemory, publishAll, startWorker } from './memory.js'

const SMALL = 10_000

export const backlogSmall: Contender = {
  name: 'backlog-10k',
  what: 'busbar: consume a backlog of 10,000 messages',
  durability: IN_HEAP,
  beside: 'memory',
  groups: ['growth'],
  messages: (sizes) => Math.min(SMALL, sizes.backlog),
  prepare: prepareBacklog,
}

export const backlogLarge: Contender = {
  name: 'backlog-1m',
  what: 'busbar: consume a backlog of 1,000,000 messages (as many as --backlog says)',
  durability: IN_HEAP,
  beside: 'memory',
  groups: ['growth'],
  messages: (sizes) => sizes.backlog,
  prepare: prepareBacklog,
}

async function prepareBacklog(load: Load): Promise<Prepared> {
  const bus = await openMemory()
  await publishAll(bus, load)
  return {
    async run() {
      const worker = await startWorker(bus, load, 'none')
      await worker.settled()
    },
    close: () => bus.close(),
  }
}
