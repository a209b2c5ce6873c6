/** Commits whose reply is lost, where asking once more is not enough: late ones, the last attempt's, and streams that recognise nothing. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { OutcomeUnknownError } from '../../../../src/errors.js'
import type { Message } from '../../../../src/message.js'
import { nth, pass, range, until } from '../../../../testing/suite/expect.js'
import { codeOfAsync } from '../../../code-of.js'
import { type PostgresServer, startPostgres } from '../../../servers/postgres.js'
import { DualLab, ORDERS } from '../fixtures/dual-lab.js'

let postgres: PostgresServer
beforeAll(async () => {
  postgres = await startPostgres()
})
afterAll(() => postgres.stop())

const TEST = { timeout: 40_000 }

/** Holds the lock of the stream `orders`, as an open transaction that has published does. @returns what ends it */
async function holdStream(lab: DualLab): Promise<() => Promise<void>> {
  const client = await lab.client()
  await client.query('begin')
  await client.query(
    `select pg_advisory_xact_lock(hashtext($1), id) from ${lab.schema}.streams where name = 'orders'`,
    [lab.schema],
  )
  return async () => {
    await client.query('rollback')
    client.release()
  }
}

describe('a publish whose commit comes after its connection was lost', () => {
  it('PG-U1: is accepted once, handed on, and not overtaken by the next of its key', async () => {
    await using lab = await DualLab.open(postgres)
    const bus = await lab.bus()
    const heard: unknown[] = []
    await bus.consume({ name: 'billing', stream: 'orders', order: 'key' }, ({ data }: Message) => void heard.push(data))
    const release = await holdStream(lab)
    const fault = lab.proxy.at(/append_batch/, 'cut at once')
    const late = bus.publish('orders.1', 'first', { key: 'k' })
    await fault.met
    await until(() => lab.proxy.statements.filter((text) => /append_batch/.test(text)).length > 1, 'the repetition')
    await release()
    expect((await late).duplicate).toBe(false)
    await bus.publish('orders.1', 'second', { key: 'k' })
    await until(() => heard.length === 2, `both messages; heard ${heard}`)
    expect(heard).toEqual(['first', 'second'])
    await lab.settled('billing')
    expect(await lab.ids()).toHaveLength(2)
  })

  it('PG-U6: is unknown when its time is up, and handed on when it is there all the same', async () => {
    await using lab = await DualLab.open(postgres)
    const bus = await lab.bus()
    const heard: unknown[] = []
    await bus.consume({ name: 'billing', stream: 'orders' }, ({ data }: Message) => void heard.push(data))
    const release = await holdStream(lab)
    const fault = lab.proxy.at(/append_batch/, 'cut at once')
    lab.proxy.at(/append_batch/, 'cut before', { times: 100 })
    const late = bus.publish('orders.1', 'late', { id: 'late', timeout: 300 })
    const refused = expect(late).rejects.toBeInstanceOf(OutcomeUnknownError)
    await fault.met
    await refused
    // Nobody is at it any more when it is committed.
    await pass(800)
    await release()
    await until(() => heard.length === 1, 'the message')
    await lab.settled('billing')
    expect(await lab.ids()).toEqual(['late'])
  })
})

describe('a stream that recognises nothing', () => {
  it('PG-U3: does not hold a message twice because a reply was lost', async () => {
    await using lab = await DualLab.open(postgres, { streams: [{ ...ORDERS, dedupWindow: 0 }] })
    const bus = await lab.bus()
    lab.proxy.at(/append_batch/, 'swallow and cut')
    const code = await codeOfAsync(bus.publish('orders.1', 'x', { id: 'one' }))
    expect(await lab.ids()).toEqual(['one'])
    expect([undefined, 'BUS_TIMEOUT']).toContain(code)
    await lab.relayed()
  })
})

describe('a transaction whose commit is answered by nobody', () => {
  it.each([
    ['', false],
    [', though nobody can say for a while what became of it', true],
  ])('PG-U1: leaves no dead letter of a message that was handled, at its last attempt%s', TEST, async (_, isSilent) => {
    await using lab = await DualLab.open(postgres)
    const bus = await lab.bus()
    await lab.sql('create table %.effects (id text)')
    let started = 0
    const pool = await bus.consume(
      { name: 'billing', stream: 'orders', ackWait: 500 },
      async ({ id }: Message, { tx }) => {
        started++
        await tx.query(`insert into ${lab.schema}.effects values ($1)`, [id])
      },
      { retry: { attempts: 1 } },
    )
    const fault = lab.proxy.at(/^commit$/, 'swallow and cut', { after: /settle/ })
    if (isSilent) lab.proxy.at(/pg_xact_status/, 'cut before', { times: Number.POSITIVE_INFINITY })
    await bus.publish('orders.1', 'x')
    await fault.done
    await until(() => pool.stats().inFlight + pool.stats().waiting === 0, 'the attempt to end')
    await lab.settled('billing')
    await bus.close()
    expect([started, await lab.count('%.effects'), await lab.ids('dead')]).toEqual([1, 1, []])
  })

  it('PG-U3: of the application is told apart from one that was not committed', async () => {
    await using lab = await DualLab.open(postgres)
    const bus = await lab.bus()
    await lab.sql('create table %.written (id int)')
    const write = (id: number) =>
      bus.transaction((tx) => tx.query(`insert into ${lab.schema}.written values ($1)`, [id]))
    lab.proxy.at(/^commit$/, 'swallow and cut')
    expect(await codeOfAsync(write(1))).toBeUndefined()
    lab.proxy.at(/^commit$/, 'cut before')
    expect(await codeOfAsync(write(2))).toBe('BUS_UNAVAILABLE')
    expect(await lab.sql('select id from %.written')).toEqual([{ id: 1 }])
  })

  it('PG-U7: is not committed when a statement of it failed, though the application went on', async () => {
    await using lab = await DualLab.open(postgres)
    const bus = await lab.bus()
    await lab.sql('create table %.written (id int)')
    const work = bus.transaction(async (tx) => {
      await tx.query(`insert into ${lab.schema}.written values (1)`)
      await tx.query('select nothing from nowhere').catch(() => {})
    })
    expect(await codeOfAsync(work)).toBe('BUS_UNAVAILABLE')
    expect(await lab.count('%.written')).toBe(0)
  })
})

describe('a stream that an open transaction holds', () => {
  it('PG-L1: delays no other stream, neither its publishes nor its delayed messages', async () => {
    await using lab = await DualLab.open(postgres, { streams: [ORDERS, { name: 'bills', subjects: ['bills.>'] }] })
    const bus = await lab.bus()
    const release = await holdStream(lab)
    await bus.publish('orders.late', 1, { delay: 1 }).catch(() => {})
    const held = range(1, 3).map((n) => bus.publish('orders.1', n, { timeout: 6000 }))
    const free: number[] = []
    for (const n of range(1, 5)) free.push((await bus.publish('bills.1', n, { timeout: 3000 })).sequence)
    await bus.publish('bills.late', 'late', { delay: 1 })
    expect(free).toEqual(range(1, 5))
    await until(async () => (await lab.ids('bills')).length === 6, 'the delayed message')
    await release()
    expect(nth(await Promise.all(held), 2).sequence).toBeGreaterThan(0)
  })
})
