/** Backends by name, each loaded only when it is chosen. Adding one is adding a line. */
import type { Adapter } from '../src/adapter.js'

export const ADAPTERS = {
  memory: async (): Promise<Adapter> => (await import('./memory/index.js')).memory(),
} as const

export type AdapterName = keyof typeof ADAPTERS

/** Names that `MESSAGE_BUS` will take and that this version does not have yet. */
export const PLANNED_ADAPTERS: readonly string[] = ['nats', 'dual']
