/** Backends by name, each loaded only when it is chosen. Adding one is adding a line. */
import type { Adapter } from '../src/adapter.js'
import type { DualOptions } from './dual/index.js'
import type { JetStreamOptions } from './jetstream/index.js'

/** What a configuration says for the backends that must be told something. */
export interface AdapterSettings {
  readonly nats: JetStreamOptions
  readonly dual: Omit<DualOptions, 'inner'> & { readonly inner: 'nats' | 'memory' }
}

export const ADAPTERS = {
  memory: async (): Promise<Adapter> => (await import('./memory/index.js')).memory(),
  nats: async ({ nats }: AdapterSettings): Promise<Adapter> => (await import('./jetstream/index.js')).jetstream(nats),
  dual: async (settings: AdapterSettings): Promise<Adapter> => {
    const { dual } = await import('./dual/index.js')
    return dual({ ...settings.dual, inner: await ADAPTERS[settings.dual.inner](settings) })
  },
} as const

export type AdapterName = keyof typeof ADAPTERS
