/** Comparing and mending with the memory backend behind the ledger. */
import { afterAll, beforeAll, describe } from 'vitest'
import { memory } from '../../../../adapters/memory/index.js'
import type { Adapter, AdapterHost } from '../../../../src/adapter.js'
import { type PostgresServer, startPostgres } from '../../../servers/postgres.js'
import { Pair } from './fixture.js'
import { losses } from './losses.js'

let postgres: PostgresServer

beforeAll(async () => {
  postgres = await startPostgres()
})
afterAll(async () => {
  await postgres.stop()
})

/** One adapter, and a server behind it that can be replaced by an empty one. */
function replaceable(): { readonly adapter: Adapter; replace(): Promise<void> } {
  let current = memory()
  let host: AdapterHost | undefined
  const adapter = new Proxy(memory(), {
    get(_target, property) {
      if (property === 'open')
        return (lent: AdapterHost) => {
          host = lent
          return current.open(lent)
        }
      const member: unknown = Reflect.get(current, property)
      return typeof member === 'function' ? member.bind(current) : member
    },
  })
  const replace = async (): Promise<void> => {
    current = memory()
    if (host !== undefined) await current.open(host)
  }
  return { adapter, replace }
}

describe('verify and repair with memory inside', () => {
  const servers = new Map<Adapter, () => Promise<void>>()
  losses({
    open: (options) => {
      const { adapter, replace } = replaceable()
      servers.set(adapter, replace)
      return Pair.open(postgres.url, adapter, options)
    },
    destroy: async ({ inner }) => servers.get(inner)?.(),
  })
})
