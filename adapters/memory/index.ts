/** `busbar/memory`: the whole bus in one process, for tests, for development, and for what may be lost with the process. */
import type { Adapter } from '../../src/adapter.js'
import { optionsOf } from '../../src/duration.js'
import { MemoryAdapter, type MemoryOptions } from './adapter.js'

export { MemoryBroker } from './broker.js'
export type { MemoryOptions }

/** An adapter for `createBus({ adapter: memory() })`. */
export function memory(options: MemoryOptions = {}): Adapter {
  return new MemoryAdapter(optionsOf('options of memory()', options))
}
