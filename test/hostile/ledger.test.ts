/**
 * What others write into the inner backend and into the tables of the ledger: stamps of rows that are not, or of other rows, and rows that
 * the adapter would not write. Consumers get what was published and nothing twice, and whatever cannot be read stands in nobody's way.
 */
import { randomUUID } from 'node:crypto'
import fc from 'fast-check'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { dual } from '../../adapters/dual/index.js'
import { MemoryBroker, memory } from '../../adapters/memory/index.js'
import type { Adapter } from '../../src/adapter.js'
import { systemClock } from '../../src/clock.js'
import { createBus, type Message, type MessageBus } from '../../src/index.js'
import { silentLogger } from '../../src/logger.js'
import { withHeaders } from '../../src/message.js'
import { until } from '../../testing/suite/expect.js'
import { startPostgres } from '../servers/postgres.js'
import { endOf, Neighbour } from './neighbour.js'
import { PATIENCE, runs } from './runs.js'
import { text } from './words.js'

const stamp = fc.oneof(
  fc.constantFrom(
    '',
    '0 0',
    '-1 5',
    '1',
    '1 1',
    '1 x',
    '1 1 again',
    '9007199254740993 1',
    '1e3 1',
    '99999999 1',
    '3 1 again again',
    'NaN NaN',
  ),
  fc
    .tuple(fc.integer({ min: 1, max: 60 }), fc.integer({ min: 0 }))
    .map(([position, time]) => `${position} ${time} again`),
  text,
)

describe('a ledger beside strangers', () => {
  const broker = new MemoryBroker()
  let postgres: Awaited<ReturnType<typeof startPostgres>>
  let bus: MessageBus
  let inner: Adapter
  let neighbour: Neighbour
  let database: pg.Pool
  beforeAll(async () => {
    postgres = await startPostgres()
    database = new pg.Pool({ connectionString: postgres.url, max: 2 })
    inner = memory({ broker })
    await inner.open({ clock: systemClock, logger: silentLogger, random: Math.random, strict: false })
    bus = await connect()
    neighbour = await Neighbour.of(bus)
  })
  afterAll(async () => {
    await neighbour.assertUndisturbed()
    await bus.close()
    await inner.close()
    await database.end()
    await postgres.stop()
  })

  async function connect(): Promise<MessageBus> {
    const streams = ['l', 'rows'].map((name) => ({ name, subjects: [`${name}.>`] }))
    const adapter = dual({ inner: memory({ broker }), connection: postgres.url, schema: 'strangers' })
    const connected = createBus({ adapter, streams: [...streams, Neighbour.stream()] })
    await connected.connect()
    return connected
  }

  async function forge(subject: string, stamped: string, payload: Uint8Array): Promise<void> {
    const id = randomUUID()
    const headers = withHeaders({}, { 'Busbar-Ledger': stamped })
    await inner.publish(
      [{ id, dedupId: id, isFresh: false, subject, key: undefined, headers, payload, delayMs: 0 }],
      1000,
    )
  }

  it('hands out what was published, once, whatever the stamps of strangers say', PATIENCE, async () => {
    const handled: unknown[] = []
    let isForged = false
    const pool = await bus.consume({ name: 'honest', stream: 'l' }, ({ data, subject }) => {
      if (subject === 'l.honest') handled.push(data)
      else isForged = true
    })
    let published = 0
    const one = fc.asyncProperty(stamp, fc.boolean(), async (stamped, isFirst) => {
      if (isFirst) await forge('l.forged', stamped, Buffer.from('"forged"'))
      await bus.publish('l.honest', ++published)
      if (!isFirst) await forge('l.forged', stamped, Buffer.from('"forged"'))
    })
    await fc.assert(one, runs(60))
    await until(() => handled.length >= published, 'every honest message')
    expect(handled.toSorted((a, b) => Number(a) - Number(b))).toEqual(
      Array.from({ length: published }, (_, at) => at + 1),
    )
    expect(isForged).toBe(false)
    await pool.stop()
  })

  it('nobody gets what bears the position of a row that is under way, and not its time', PATIENCE, async () => {
    const handled: string[] = []
    let finish = (): void => {}
    const isFinished = new Promise<void>((resolve) => {
      finish = resolve
    })
    // Who holds the row does not start it again: another process might.
    await using another = await connect()
    const handler = async ({ subject }: Message): Promise<void> => {
      handled.push(subject)
      await isFinished
    }
    const consumer = { name: 'guarded', stream: 'l', from: 'new' } as const
    const pools = [await bus.consume(consumer, handler), await another.consume(consumer, handler)]
    const { sequence } = await bus.publish('l.honest', 'under way')
    await until(() => handled.length === 1, 'it to be under way')
    const stamps = [0, -1e15, Number.MAX_SAFE_INTEGER].flatMap((time) => ['', ' again'].map((word) => `${time}${word}`))
    for (const stamped of stamps) await forge('l.forged', `${sequence} ${stamped}`, Buffer.from('"forged"'))
    // Each gets one of them, behind them in its line.
    await Promise.all(['one', 'two'].map((name) => bus.publish('l.honest', name)))
    await until(() => handled.filter((subject) => subject === 'l.honest').length === 3, 'what comes afterwards')
    finish()
    expect(handled).toEqual(['l.honest', 'l.honest', 'l.honest'])
    await Promise.all(pools.map((pool) => pool.stop()))
  })

  it.each([
    ['headers that are no JSON', 'headers', 'no json'],
    ['headers that are a list', 'headers', '["a"]'],
    ['headers that are null', 'headers', 'null'],
    ['a header that is a number', 'headers', '{"a":1}'],
    ['a header that reaches prototypes', 'headers', '{"__proto__":{"polluted":true}}'],
    ['an empty id', 'id', ''],
    ['an empty key', 'key', ''],
    ['a subject that is none', 'subject', 'rows. .>'],
  ])('a row with %s is read as well as can be, and those after it too', async (what, column, value) => {
    const subject = `rows.${what.replaceAll(' ', '-')}`
    const { sequence } = await bus.publish(subject, 'bad')
    await database.query(
      `update strangers.ledger l set ${column} = $1 from strangers.streams s where s.id = l.stream_id and s.name = 'rows' and position = $2`,
      [value, sequence],
    )
    const after = await bus.publish(subject, 'good')
    await endOf(() => bus.get('rows', sequence))
    expect((await bus.get('rows', after.sequence))?.data).toBe('good')
    const followed: unknown[] = []
    for await (const message of bus.replay({ stream: 'rows', from: { sequence: after.sequence } }))
      followed.push(message.data)
    expect(followed).toEqual(['good'])
    expect(Reflect.get({}, 'polluted')).toBe(undefined)
  })

  it('junk notices change nothing', async () => {
    for (const channel of ['strangers', 'busbar', 'busbar_wake'])
      await database.query('select pg_notify($1, $2)', [channel, '\u2028{"'])
    await neighbour.say()
  })

  it.each<readonly [string, (untyped: MessageBus) => unknown]>([
    ['a client that is none', (untyped) => untyped.transaction(async (tx) => tx.query('select 1'), { client: {} })],
    [
      'a body that throws nothing',
      (untyped) => untyped.transaction(() => Promise.reject(new Error('mine')).catch(() => 1)),
    ],
    ['a repair of text', (untyped) => untyped.repair({ stream: 'l', dryRun: 'yes' as never })],
    ['a history without end', (untyped) => first(untyped.history({ limit: Number.POSITIVE_INFINITY }))],
    ['a history before time', (untyped) => first(untyped.history({ from: -1 }))],
    ['a history between two ms', (untyped) => first(untyped.history({ stream: 'l', from: 0.5, to: 8.64e15 }))],
    ['a history of hostile keys', (untyped) => first(untyped.history({ key: "'; drop table ledger; --", id: '%' }))],
    ['a history of a hostile pattern', (untyped) => first(untyped.history({ filter: '(a+)+$.>' }))],
  ])('%s ends with a value or a code', async (_, call) => {
    await endOf(() => call(bus))
  })
})

function first(all: AsyncIterable<unknown>): Promise<unknown> {
  return all[Symbol.asyncIterator]().next()
}
