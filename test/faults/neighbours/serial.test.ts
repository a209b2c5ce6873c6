/** Elsewhere an option that fetches ahead broke the promise to handle messages one after the other. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { jetstream } from '../../../adapters/jetstream/index.js'
import { memory } from '../../../adapters/memory/index.js'
import type { Adapter } from '../../../src/adapter.js'
import { createBus } from '../../../src/bus.js'
import type { PoolOptions } from '../../../src/worker-pool-options.js'
import { until } from '../../../testing/suite/expect.js'
import { type NatsServer, startNats } from '../../servers/nats-server.js'

const KEYS = ['a', 'b', 'c']
const EACH = 12
const ORDER = Array.from({ length: EACH }, (_, n) => n)
const CONCURRENCY = [1, 2, 16]
const PREFETCH = [0, 1, 64]
/** One of each key fails once. */
const FAILS = 4

let nats: NatsServer
beforeAll(async () => {
  nats = await startNats()
})
afterAll(() => nats.stop())

const adapters: Readonly<Record<string, () => Adapter>> = {
  memory: () => memory(),
  nats: () => jetstream({ servers: nats.url }),
}

describe.each(Object.keys(adapters))('%s', (name) => {
  for (const concurrency of CONCURRENCY)
    for (const prefetch of PREFETCH)
      it(`handles a key one by one and in order with ${concurrency} handlers and ${prefetch} fetched ahead`, async () => {
        const seen = await handled(adapters[name]?.() ?? memory(), `serial-${concurrency}-${prefetch}`, {
          concurrency,
          prefetch,
        })
        expect(seen.mostAtOnce).toBe(1)
        for (const key of KEYS) expect(seen.done.get(key)).toEqual(ORDER)
      })
})

async function handled(adapter: Adapter, stream: string, options: PoolOptions) {
  const bus = createBus({ adapter, streams: [{ name: stream, subjects: [`${stream}.>`] }] })
  await bus.connect()
  const done = new Map(KEYS.map((key): [string, unknown[]] => [key, []]))
  const running = new Map<string, number>()
  let mostAtOnce = 0
  try {
    for (const n of ORDER) for (const key of KEYS) await bus.publish(`${stream}.x`, n, { key })
    const retry = { attempts: 3, backoff: [20], jitter: 0 }
    await bus.consume(
      { name: stream, stream, order: 'key' },
      async ({ key = '', data }, { attempt }) => {
        const atOnce = (running.get(key) ?? 0) + 1
        mostAtOnce = Math.max(mostAtOnce, atOnce)
        running.set(key, atOnce)
        await new Promise((resolve) => setImmediate(resolve))
        running.set(key, atOnce - 1)
        if (data === FAILS && attempt === 1) throw new Error('once')
        done.get(key)?.push(data)
      },
      { ...options, retry },
    )
    await until(() => [...done.values()].every(({ length }) => length >= EACH), 'all of every key')
    return { mostAtOnce, done }
  } finally {
    await bus.close()
  }
}
