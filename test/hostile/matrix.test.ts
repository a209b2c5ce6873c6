/**
 * The matrix of options: order, batch, concurrency, prefetch, dedup and transaction on every backend, with handlers that fail now and then. In
 * every combination each message is handled once for good, no more handlers run than allowed, and keys keep their order where that is asked.
 */
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { BatchContext, HandlerContext, Message } from '../../src/index.js'
import { until } from '../../testing/suite/expect.js'
import { PATIENCE, runs } from './runs.js'
import { openWorlds, type World, type Worlds } from './worlds.js'

interface Combination {
  readonly order: 'none' | 'key'
  readonly concurrency: number
  readonly prefetch: number
  readonly dedup: number
  readonly batchSize: number
  /** With a transaction where the backend has some. */
  readonly usesTx: boolean
  /** Every so many messages fail once; 0: none. */
  readonly failsEach: number
  readonly keys: readonly string[]
}

const combination: fc.Arbitrary<Combination> = fc.record({
  order: fc.constantFrom('none', 'key'),
  concurrency: fc.constantFrom(1, 2, 16, 10_000),
  prefetch: fc.constantFrom(0, 1, 50),
  dedup: fc.constantFrom(0, 1, 120_000),
  batchSize: fc.constantFrom(0, 1, 3, 100),
  usesTx: fc.boolean(),
  failsEach: fc.constantFrom(0, 3),
  keys: fc.uniqueArray(fc.constantFrom('__proto__', 'constructor', 'é', 'e\u0301', "';--", 'K', 'k', '%00', '*'), {
    minLength: 1,
    maxLength: 3,
  }),
})

const MESSAGES = 12
let rounds = 0

class Round {
  readonly done: number[] = []
  running = 0
  mostRunning = 0
  readonly #failed = new Set<number>()
  readonly #world: World
  readonly #wanted: Combination

  constructor(world: World, wanted: Combination) {
    this.#world = world
    this.#wanted = wanted
  }

  readonly handle = async (message: Message, context: HandlerContext): Promise<void> => {
    await this.#counted(context, () => this.#fails(message))
    this.done.push(Number(message.data))
  }

  readonly handleAll = async (messages: readonly Message[], context: BatchContext<Message>): Promise<void> => {
    await this.#counted(context, () => false)
    for (const message of messages) {
      if (this.#fails(message)) context.fail(message, new Error('once'))
      else this.done.push(Number(message.data))
    }
  }

  async #counted(context: Pick<HandlerContext, 'tx'>, fails: () => boolean): Promise<void> {
    this.mostRunning = Math.max(this.mostRunning, ++this.running)
    try {
      if (this.#wanted.usesTx && this.#world.name === 'dual') await context.tx.query('select 1')
      else await new Promise((resolve) => setImmediate(resolve))
      if (fails()) throw new Error('once')
    } finally {
      this.running--
    }
  }

  #fails(message: Message): boolean {
    const number = Number(message.data)
    const isToFail = this.#wanted.failsEach > 0 && number % this.#wanted.failsEach === 0 && !this.#failed.has(number)
    if (isToFail) this.#failed.add(number)
    return isToFail
  }
}

async function play(world: World, wanted: Combination, round: number): Promise<void> {
  const { order, concurrency, prefetch, dedup, batchSize, keys } = wanted
  const keyOf = (number: number): string => keys[number % keys.length] ?? ''
  const subject = `m.r${round}`
  const watched = new Round(world, wanted)
  const options = { concurrency, prefetch, dedup, retry: { attempts: 3, backoff: [1], jitter: 0 } } as const
  const definition = { name: `matrix-${round}`, stream: 'm', filter: subject, order }
  const pool = await (batchSize === 0
    ? world.bus.consume(definition, watched.handle, options)
    : world.bus.consume(definition, watched.handleAll, { ...options, batch: { size: batchSize, within: 5 } }))
  const numbers = Array.from({ length: MESSAGES }, (_, at) => at)
  await world.bus.publishBatch(
    numbers.map((number) => ({ to: subject, data: number, options: { key: keyOf(number) } })),
  )
  await until(() => pool.stats().handled >= MESSAGES, `all of round ${round} on ${world.name}`)
  await pool.stop()
  expect([world.name, watched.done.toSorted((a, b) => a - b)]).toEqual([world.name, numbers])
  expect(watched.mostRunning).toBeLessThanOrEqual(concurrency)
  if (order === 'none') return
  for (const key of keys) {
    const ofKey = watched.done.filter((number) => keyOf(number) === key)
    expect([world.name, key, ofKey]).toEqual([world.name, key, ofKey.toSorted((a, b) => a - b)])
  }
}

describe('every combination of options', () => {
  let worlds: Worlds
  beforeAll(async () => {
    worlds = await openWorlds('m')
  })
  afterAll(() => worlds.end())

  it('handles each message once for good, within its bounds and in its order', PATIENCE, async () => {
    const one = fc.asyncProperty(combination, async (wanted) => {
      const round = ++rounds
      await Promise.all(worlds.all.map((world) => play(world, wanted, round)))
      for (const { neighbour } of worlds.all) await neighbour.say()
    })
    await fc.assert(one, runs(25))
  })
})
