/** PostgreSQL goes away altogether, or its connections break at any statement, again and again. */
import { afterAll, beforeAll, expect, it } from 'vitest'
import type { Message } from '../../../../src/message.js'
import type { HandlerContext } from '../../../../src/worker-pool-options.js'
import { nth, pass, range, until } from '../../../../testing/suite/expect.js'
import type { Act } from '../../../servers/pg-proxy.js'
import { type PostgresServer, startPostgres } from '../../../servers/postgres.js'
import { DualLab } from '../fixtures/dual-lab.js'
import { Life } from '../fixtures/life.js'

const TEST = { timeout: 60_000 }
const ACTS: readonly Act[] = ['cut before', 'swallow and cut', 'cut at once', { delayMs: 50 }]
/** Statements of a life, about. */
const STATEMENTS = 60
const FAULTS = 15

let postgres: PostgresServer
beforeAll(async () => {
  postgres = await startPostgres()
})
afterAll(() => postgres.stop())

/** The same numbers for the same seed, in [0, 1). */
function dice(seed: number): () => number {
  let state = seed
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return state / 2 ** 32
  }
}

it.each(range(1, 8))(
  'PG-U1: PG-U7: connections that break at any statement lose nothing and double nothing, seed %i',
  TEST,
  async (seed) => {
    await using lab = await DualLab.open(postgres)
    const bus = await lab.bus({ dual: { lease: 1000 } })
    const life = new Life(lab, bus)
    await life.prepare()
    const roll = dice(seed)
    const faults = range(1, FAULTS).map(() => {
      const act = nth(ACTS, Math.floor(roll() * ACTS.length))
      return lab.proxy.at(/./, act, { nth: 1 + Math.floor(roll() * STATEMENTS) })
    })
    await life.live()
    for (const fault of faults) fault.lift()
    await life.judge()
    expect(faults.filter(({ isMet }) => isMet).length).toBeGreaterThan(FAULTS / 3)
  },
)

it.each(range(1, 3))(
  'PG-D1: a server that is killed and recovers has everything that was accepted, and nothing is done twice, %i',
  TEST,
  async (n) => {
    await using lab = await DualLab.open(postgres)
    const bus = await lab.bus({ dual: { lease: 1000 } })
    const life = new Life(lab, bus)
    await life.prepare()
    const killed = lab.proxy
      .at(/append_batch|\.settle\(|^commit$/, { delayMs: 0 }, { nth: 6 * n })
      .met.then(() => postgres.restart())
    await life.live()
    await killed
    await life.judge()
  },
)

it('PG-J3: messages that wait because nobody can ask the ledger lose no attempt', TEST, async () => {
  await using lab = await DualLab.open(postgres)
  const bus = await lab.bus()
  const attempts: number[] = []
  const handle = (_: Message, { attempt }: HandlerContext): void => {
    attempts.push(attempt)
    if (attempt === 1) throw new Error('it fails once')
  }
  // It comes again, and nobody can say whether it must be handled.
  const question = lab.proxy.at(/is_foreign/, 'cut before', { times: Number.POSITIVE_INFINITY })
  await bus.consume({ name: 'billing', stream: 'orders', ackWait: 200 }, handle, {
    retry: { attempts: 3, backoff: [10] },
    dedup: 0,
  })
  await bus.publish('orders.a', 'x')
  await question.met
  await pass(2000)
  question.lift()
  await lab.settled('billing')
  expect([await lab.ids('dead'), attempts]).toEqual([[], [1, 2]])
})

it(
  'PG-D7: while the ledger is away everything published is rejected or unknown, and health tells; afterwards it goes on by itself',
  TEST,
  async () => {
    await using lab = await DualLab.open(postgres)
    const bus = await lab.bus()
    const seen: unknown[] = []
    const definition = { name: 'billing', stream: 'orders', ackWait: 500 }
    await bus.consume(definition, ({ data }: Message) => void seen.push(data))
    await bus.publish('orders.a', 1)
    await postgres.kill()
    await until(async () => (await bus.health()).status === 'down', 'health to tell')
    for (const n of [2, 3]) {
      const error = await bus.publish('orders.a', n, { timeout: 300 }).catch((thrown: unknown) => thrown)
      expect(error).toMatchObject({ retryable: true })
    }
    const waiting = bus.publish('orders.a', 4, { timeout: 20_000 })
    await postgres.restart()
    await waiting
    await until(() => seen.includes(4), 'the message')
    expect((await bus.health()).status).toBe('ok')
    await lab.settled('billing')
  },
)
