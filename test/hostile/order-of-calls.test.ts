/** Calls in any order, before the bus is open and after it was closed too: each ends with a value or a code, and closing always ends. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { memory } from '../../adapters/memory/index.js'
import { createBus, type MessageBus, type Pool, type Stop } from '../../src/index.js'
import { endOf } from './neighbour.js'
import { PATIENCE, runs } from './runs.js'

interface Scene {
  readonly bus: MessageBus
  readonly pools: Pool[]
  readonly stops: Stop[]
  readonly accepted: string[]
}

type Step = (scene: Scene) => unknown

/** A handler that does to its bus what handlers should not. */
function meddler({ bus, pools, stops }: Scene): (message: { readonly id: string }) => unknown {
  let calls = 0
  return async () => {
    calls++
    if (calls % 5 === 0) void bus.close({ within: 50 })
    if (calls % 4 === 0) for (const pool of pools) void pool.stop({ within: 10 })
    if (calls % 3 === 0) for (const stop of stops) await stop()
    await endOf(() => bus.publish('t.x', 1))
    if (calls % 2 === 0) throw undefined
  }
}

const STEPS: Readonly<Record<string, Step>> = {
  connect: ({ bus }) => bus.connect(),
  publish: async ({ bus, accepted }) => void accepted.push((await bus.publish('s.a', 1)).id),
  'publish twice at once': ({ bus }) =>
    Promise.all([bus.publish('s.a', 1, { id: 'same' }), bus.publish('s.a', 1, { id: 'same' })]),
  'publish later': ({ bus }) => bus.publish('s.a', 1, { delay: 5 }),
  batch: ({ bus }) =>
    bus.publishBatch([
      { to: 's.a', data: 1 },
      { to: 's.b', data: 2 },
    ]),
  consume: async (scene) =>
    void scene.pools.push(
      await scene.bus.consume({ name: 'c', stream: 's' }, meddler(scene), { retry: { attempts: 2, backoff: [1] } }),
    ),
  'consume by key': async (scene) =>
    void scene.pools.push(await scene.bus.consume({ name: 'k', stream: 's', order: 'key' }, () => {})),
  subscribe: async (scene) => void scene.stops.push(await scene.bus.subscribe('s.>', meddler(scene) as () => unknown)),
  follow: async ({ bus, stops }) => void stops.push(await bus.subscribe('s.>', () => {}, { from: 'all' })),
  respond: async ({ bus, stops }) => void stops.push(await bus.respond('r', () => bus.close({ within: 10 }))),
  request: ({ bus }) => bus.request('r', 1, { timeout: 50 }),
  replay: async ({ bus }) => {
    for await (const _ of bus.replay({ stream: 's' }))
      await endOf(() => bus.publish('s.b', 1, { id: 'from the replay' }))
  },
  'stop a pool': ({ pools }) => pools.at(-1)?.stop({ within: 10 }),
  'pause and resume': ({ pools }) => {
    for (const pool of pools) pool.pause()
    for (const pool of pools) pool.resume()
  },
  'stop what listens': ({ stops }) => Promise.all(stops.map((stop) => stop())),
  'look at it': ({ bus }) => Promise.all([bus.health(), bus.inspect()]),
  redrive: ({ bus }) => bus.deadLetters('c').redrive(),
  close: ({ bus }) => bus.close({ within: 50 }),
}

describe('calls in any order', () => {
  it('end with a value or a code, awaited or not, and the bus can be closed', PATIENCE, async () => {
    const step = fc.record({ name: fc.constantFrom(...Object.keys(STEPS)), isAwaited: fc.boolean() })
    const isOpenFirst = fc.boolean()
    const one = fc.asyncProperty(
      isOpenFirst,
      fc.array(step, { minLength: 1, maxLength: 14 }),
      async (isOpen, steps) => {
        const streams = [
          { name: 's', subjects: ['s.>'] },
          { name: 't', subjects: ['t.>'], maxMessages: 100, discard: 'old' as const },
        ]
        const bus = createBus({ adapter: memory(), streams })
        const scene: Scene = { bus, pools: [], stops: [], accepted: [] }
        if (isOpen) await bus.connect()
        const ends: Promise<unknown>[] = []
        for (const { name, isAwaited } of steps) {
          const end = endOf(() => STEPS[name]?.(scene))
          ends.push(end)
          if (isAwaited) await end
        }
        await Promise.all(ends)
        const reports = await Promise.all([bus.close({ within: 100 }), bus.close()])
        expect(reports[0]).toEqual(reports[1])
        expect((await endOf(() => bus.publish('s.a', 1))).code).toBe('BUS_CLOSED')
        expect((await bus.health()).status).toBe('down')
      },
    )
    await fc.assert(one, runs(150))
  })
})
