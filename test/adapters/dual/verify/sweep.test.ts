/** What a comparison must not take for a loss: what comes, goes, ages or is dropped meanwhile. And how a repair ends that cannot go on. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Purpose, Statement } from '../../../../adapters/dual/database/database.js'
import type { RepairParts } from '../../../../adapters/dual/verify/repair.js'
import { memory } from '../../../../adapters/memory/index.js'
import type { Adapter, ReadQuery } from '../../../../src/adapter.js'
import { systemClock } from '../../../../src/clock.js'
import type { StoredMessage } from '../../../../src/message.js'
import { range, refuses } from '../../../../testing/suite/expect.js'
import { type PostgresServer, startPostgres } from '../../../servers/postgres.js'
import { byKey, Pair, type PairOptions } from './fixture.js'

let postgres: PostgresServer

beforeAll(async () => {
  postgres = await startPostgres()
})
afterAll(async () => {
  await postgres.stop()
})

/** What happens once: before the next reading of the inner stream, in the middle of it, or right after it. */
class Interrupted {
  readonly adapter: Adapter
  #before: (() => Promise<void>) | undefined
  #meanwhile: (() => Promise<void>) | undefined
  #afterwards: (() => Promise<void>) | undefined

  constructor() {
    const inner = memory()
    this.adapter = new Proxy(inner, {
      get: (target, property) => {
        if (property === 'read') return (query: ReadQuery) => this.#read(target, query)
        const member: unknown = Reflect.get(target, property)
        return typeof member === 'function' ? member.bind(target) : member
      },
    })
  }

  before(work: () => Promise<void>): void {
    this.#before = work
  }

  meanwhile(work: () => Promise<void>): void {
    this.#meanwhile = work
  }

  afterwards(work: () => Promise<void>): void {
    this.#afterwards = work
  }

  async *#read(target: Adapter, query: ReadQuery): AsyncIterable<StoredMessage> {
    const [before, meanwhile, afterwards] = [this.#before, this.#meanwhile, this.#afterwards]
    this.#before = this.#meanwhile = this.#afterwards = undefined
    await before?.()
    let isFirst = true
    for await (const message of target.read(query)) {
      if (isFirst) await meanwhile?.()
      isFirst = false
      yield message
    }
    await afterwards?.()
  }
}

/** The ledger's database; work happens once, right after the rows were first read. */
function afterRows(pair: Pair, work: () => Promise<unknown>): Partial<RepairParts> {
  const { database } = pair.parts
  let isDone = false
  const query = async (purpose: Purpose, statement: Statement): Promise<object[]> => {
    const rows = await database.query(purpose, statement)
    if (isDone || !statement.text.includes('l.position::float8 as position from')) return rows
    isDone = true
    await work()
    return rows
  }
  const interrupted = new Proxy(database, {
    get: (target, property) => (property === 'query' ? query : Reflect.get(target, property, target)),
  })
  return { database: interrupted }
}

const open = (options?: PairOptions, inner: Adapter = memory()): Promise<Pair> =>
  Pair.open(postgres.url, inner, options)

describe('sweep', () => {
  it('does not miss what is published and relayed while it reads', async () => {
    const interrupted = new Interrupted()
    await using pair = await open({}, interrupted.adapter)
    await pair.fill(20)
    interrupted.meanwhile(() => pair.fill(10))
    expect(await pair.verify()).toMatchObject({ ledger: 20, inner: 20, missing: 0, foreign: 0 })
    interrupted.afterwards(() => pair.fill(10))
    expect(await pair.verify()).toMatchObject({ ledger: 30, missing: 0, foreign: 0 })
  })

  it('does not take for foreign what was published and relayed just before it reads', async () => {
    const interrupted = new Interrupted()
    await using pair = await open({}, interrupted.adapter)
    await pair.fill(20)
    interrupted.before(() => pair.fill(10))
    expect(await pair.verify()).toMatchObject({ ledger: 20, missing: 0, foreign: 0, isSame: true })
  })

  it('looks once more before it calls a row missing: it may be gone by then', async () => {
    await using pair = await open()
    await pair.fill(20)
    await pair.lose(7, 18)
    const changes = afterRows(pair, () => pair.lab.forget(pair.name, 18))
    expect(await pair.verify(changes)).toMatchObject({ ledger: 19, inner: 18, missing: 1, missingSample: [7] })
  })

  it('looks once more before it calls a row missing: it may be on its way by then', async () => {
    await using pair = await open()
    await pair.fill(20)
    await pair.lose(7, 18)
    await pair.relay.close()
    const { id } = pair.stream
    const changes = afterRows(pair, () =>
      pair.lab.sql('insert into %.outbox (stream_id, first, last, owner) values ($1, 18, 18, gen_random_uuid())', id),
    )
    expect(await pair.verify(changes)).toMatchObject({ waiting: 1, missing: 1, missingSample: [7] })
  })

  it('does not take for missing what was on its way when it began, and arrived behind it', async () => {
    const interrupted = new Interrupted()
    await using pair = await open({}, interrupted.adapter)
    await pair.fill(20)
    await pair.lab.publish({ subject: `${pair.name}.a` })
    interrupted.afterwards(() => pair.relayed())
    expect(await pair.verify()).toMatchObject({ ledger: 21, missing: 0, isSame: true })
  })

  it('does not miss what is removed while it reads', async () => {
    const interrupted = new Interrupted()
    await using pair = await open({}, interrupted.adapter)
    await pair.fill(20)
    interrupted.meanwhile(async () => {
      await pair.lab.forget(pair.name, ...range(10, 15))
      await pair.inner.remove(pair.name, range(10, 15))
    })
    expect(await pair.verify()).toMatchObject({ ledger: 14, inner: 14, missing: 0, isSame: true })
    await pair.lose(18)
    interrupted.afterwards(() => pair.lab.forget(pair.name, 18))
    expect(await pair.verify()).toMatchObject({ missing: 0, isSame: true })
  })

  it('does not miss what is over age', async () => {
    await using pair = await open({ stream: { maxAge: '1h' } })
    await pair.fill(20)
    await pair.lab.age(pair.name, range(1, 5), 3_700_000)
    await pair.lose(...range(1, 5))
    expect(await pair.verify()).toMatchObject({ ledger: 15, inner: 15, missing: 0, isSame: true })
  })

  it('does not miss what a stream that drops the oldest has dropped by its own measure', async () => {
    await using pair = await open({ stream: { discard: 'old', maxMessages: 10 } })
    await pair.fill(10)
    await pair.copyAgain(5)
    await pair.copyAgain(6)
    expect(await pair.verify()).toMatchObject({ ledger: 10, inner: 8, missing: 0, repeated: 2, isSame: true })
    await pair.lose(8)
    expect(await pair.verify()).toMatchObject({ missing: 3, missingSample: [1, 2, 8] })
  })

  it('takes a copy of a position that was removed for late, not for foreign', async () => {
    await using pair = await open()
    await pair.fill(5)
    await pair.lab.forget(pair.name, 2, 5)
    expect(await pair.verify()).toMatchObject({ ledger: 3, inner: 3, foreign: 0, isSame: true })
  })

  it('refuses what the backends refuse, as errors of the bus', async () => {
    await using pair = await open()
    await pair.lab.database.close()
    await refuses('BUS_UNAVAILABLE', () => pair.verify())
    await refuses('BUS_UNAVAILABLE', () => pair.repair())
  })
})

describe('repair', () => {
  it('rebuilds 5,000 messages in an empty stream: same ids, content and order of keys', async () => {
    await using pair = await open()
    await pair.fill(5000)
    const before = await pair.copies()
    await pair.inner.remove(pair.name, range(1, 5000))
    const { republished } = await pair.repair()
    const after = await pair.copies()
    expect(republished).toBe(5000)
    const contents = ({ position, id, subject, key, text }: (typeof after)[number]) => [
      position,
      id,
      subject,
      key,
      text,
    ]
    expect(after.map(contents)).toEqual(before.map(contents))
    expect(byKey(after)).toEqual(byKey(before))
  })

  it('goes no faster than the set rate', async () => {
    await using pair = await open()
    await pair.fill(300)
    await pair.lose(...range(1, 300))
    await pair.relay.close()
    await using slow = await pair.withRate(500)
    const { tookMs } = await slow.repair()
    expect(tookMs).toBeGreaterThanOrEqual(500)
  })

  it('gives up waiting when nothing arrives, and what it began goes on', async () => {
    const clock = { ...systemClock, monotonic: () => 1000 * systemClock.monotonic() }
    await using pair = await open()
    await pair.fill(20)
    await pair.lose(3)
    await pair.relay.close()
    const error = await refuses('BUS_UNAVAILABLE', () => pair.repair({}, { clock }))
    expect(error.retryable).toBe(true)
    await using another = await pair.withRate(1000)
    await another.relayed()
    expect(await another.verify()).toMatchObject({ isSame: true, inner: 20 })
  })

  it('leaves what its predecessor put on its way, and sends nothing twice', async () => {
    await using pair = await open()
    await pair.publish({ key: 'a' }, { key: 'b' }, { key: 'a' }, { key: 'a' })
    await pair.relayed()
    await pair.lose(1)
    await pair.relay.close()
    const clock = { ...systemClock, monotonic: () => 1000 * systemClock.monotonic() }
    await refuses('BUS_UNAVAILABLE', () => pair.repair({}, { clock }))
    expect(await pair.verify()).toMatchObject({ inner: 1, waiting: 3, missing: 0 })
    expect(await pair.repair()).toMatchObject({ republished: 0 })
    await using another = await pair.withRate(1000)
    await another.relayed()
    expect((await another.copies()).map(({ position }) => position)).toEqual([2, 1, 3, 4])
  })
})
