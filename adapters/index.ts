/** Backends by name, each loaded only when it is chosen. Adding one is adding a line. */
import type { Adapter } from '../src/adapter.js'
import type { JetStreamOptions } from './jetstream/index.js'

/** What a configuration says for the backends that must be told something. */
export interface AdapterSettings {
  readonly nats: JetStreamOptions
}

export const ADAPTERS = {
  memory: async (): Promise<Adapter> => (await import('./memory/index.js')).memory(),
  nats: async ({ nats }: AdapterSettings): Promise<Adapter> => (await import('./jetstream/index.js')).jetstream(nats),
} as const

export type AdapterName = keyof typeof ADAPTERS

/** Names that `MESSAGE_BUS` will take and that this version does not have yet. */
export const PLANNED_ADAPTERS: readonly string[] = ['dual']
