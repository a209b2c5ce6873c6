/** Whatever a message consists of, it comes back as it was published, or is refused before anything is stored. Titles begin with codes. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { jetstream } from '../../../../adapters/jetstream/index.js'
import { systemClock } from '../../../../src/clock.js'
import { silentLogger } from '../../../../src/logger.js'
import type { Message } from '../../../../src/message.js'
import { NO_HEADERS, type Outgoing } from '../../../../src/message.js'
import { resolveStreams } from '../../../../src/topology.js'
import { nth, until } from '../../../../testing/suite/expect.js'
import { codeOfAsync } from '../../../code-of.js'
import { type NatsServer, startNats } from '../../../servers/nats-server.js'
import { type PostgresServer, startPostgres } from '../../../servers/postgres.js'
import { DualLab, ORDERS } from '../fixtures/dual-lab.js'

let postgres: PostgresServer
let nats: NatsServer
beforeAll(async () => {
  ;[postgres, nats] = await Promise.all([startPostgres(), startNats({ version: '2.15', maxPayloadBytes: 64 * 1024 })])
})
afterAll(() => Promise.all([postgres.stop(), nats.stop()]))

const ODD: readonly unknown[] = [
  'NUL \0 and \ud800 half a pair \udfff',
  { 'a\0b': '\u0000', '\ud800': ['\udc00', 'é', '漢', '😀'] },
  Uint8Array.from({ length: 256 }, (_, n) => n),
  new Uint8Array(0),
  '',
  null,
  1e21,
  0.1,
  -1.5e-7,
  9007199254740993n.toString(),
  { b: 1, a: 2, '10': 3, '9': 4 },
  '\\u0000',
  `{"not":"parsed"}`,
]

it('PG-B1: PG-B2: payloads, headers, ids and keys come back as they were, to handlers, readers and history', async () => {
  await using lab = await DualLab.open(postgres)
  const bus = await lab.bus()
  const handled: Message[] = []
  await bus.consume({ name: 'billing', stream: 'orders' }, (message: Message) => void handled.push(message))
  const headers = { plain: 'x', odd: 'quote " backslash \\ tab \t é 漢 😀 \u{10ffff} \ufffe', empty: '' }
  const options = { headers, key: 'key "\\ \' $1 % é 漢 😀' }
  for (const [at, data] of ODD.entries()) await bus.publish('orders.a', data, { ...options, id: `id "\\' $1 漢 ${at}` })
  await lab.settled('billing')
  const [replayed, past]: Message[][] = [[], []]
  for await (const message of bus.replay({ stream: 'orders' })) replayed?.push(message)
  for await (const message of bus.history({ key: options.key })) past?.push(message)
  for (const found of [handled, replayed ?? [], past ?? []]) {
    expect(found.map(({ data }) => (data instanceof Uint8Array ? [...data] : data))).toEqual(
      ODD.map((data) => (data instanceof Uint8Array ? [...data] : data)),
    )
    for (const [at, message] of found.entries()) {
      expect({ ...message.headers }).toEqual(headers)
      expect([message.key, message.id]).toEqual([options.key, `id "\\' $1 漢 ${at}`])
    }
  }
})

it('PG-B2: an error that no text column takes is no reason to lose its dead letter', async () => {
  await using lab = await DualLab.open(postgres)
  const bus = await lab.bus()
  await bus.consume(
    { name: 'billing', stream: 'orders' },
    () => {
      throw new Error('NUL \0, half \ud800 a pair, and \r\n two lines')
    },
    { retry: { attempts: 1 } },
  )
  await bus.publish('orders.a', 1)
  await lab.settled('billing')
  const errors: string[] = []
  for await (const { lastError } of bus.deadLetters('billing').list()) errors.push(lastError)
  expect(errors).toHaveLength(1)
  expect(nth(errors, 0)).toContain('two lines')
})

it('PG-B3: positions are exact as far as numbers are', async () => {
  await using lab = await DualLab.open(postgres)
  const bus = await lab.bus()
  const high = 2 ** 53 - 1000
  await lab.sql(`update %.streams set high = ${high} where name = 'orders'`)
  const seen: number[] = []
  await bus.consume({ name: 'billing', stream: 'orders' }, ({ sequence }: Message) => void seen.push(sequence))
  const sequences = [await bus.publish('orders.a', 1), await bus.publish('orders.a', 2)].map(({ sequence }) => sequence)
  expect(sequences).toEqual([high + 1, high + 2])
  await until(() => seen.length === 2, 'both messages')
  expect(seen).toEqual(sequences)
  expect((await bus.get('orders', high + 2))?.data).toBe(2)
  await lab.settled('billing')
})

it('PG-B4: what the inner backend would not take is refused before anything is stored', async () => {
  const streams = [{ ...ORDERS, maxMessageBytes: 1024 * 1024 }]
  await using lab = await DualLab.open(postgres, { inner: () => jetstream({ servers: nats.url }), streams })
  const bus = await lab.bus()
  expect(await codeOfAsync(bus.publish('orders.a', 'x'.repeat(64 * 1024)))).toBe('BUS_TOO_LARGE')
  expect(await codeOfAsync(bus.transaction((tx) => tx.publish('orders.a', 'x'.repeat(64 * 1024))))).toBe(
    'BUS_TOO_LARGE',
  )
  expect(await lab.count('%.ledger')).toBe(0)
  // As large as what it takes is relayed with all that the ledger adds.
  let bytes = 64 * 1024
  while ((await codeOfAsync(bus.publish('orders.a', 'x'.repeat(bytes), { key: 'k'.repeat(256) }))) !== undefined)
    bytes -= 16
  await lab.relayed()
  expect(bytes).toBeGreaterThan(51 * 1024)
})

describe('a message that the server refuses', () => {
  const outgoing = (id: string): Outgoing => {
    const message = { id, dedupId: id, isFresh: false, subject: 'orders.a', key: undefined, headers: NO_HEADERS }
    return { ...message, payload: Buffer.from('1'), delayMs: 0 }
  }

  it('PG-L8: does not take those with it that are stored in the same moment, before it or after it', async () => {
    await using lab = await DualLab.open(postgres)
    const adapter = lab.adapter()
    await adapter.open({ clock: systemClock, logger: silentLogger, random: Math.random, strict: false })
    await adapter.provision(resolveStreams([ORDERS]))
    const calls = [['a'], ['bad \0'], ['b', 'c'], ['d', 'bad \0 too', 'e']]
    const outcomes = await Promise.all(calls.map(async (ids) => adapter.publish(ids.map(outgoing), 5000)))
    const status = outcomes.map((each) => each.map((outcome) => outcome.status))
    expect(status).toEqual([['accepted'], ['rejected'], ['accepted', 'accepted'], ['accepted', 'rejected', 'accepted']])
    expect(await lab.ids()).toEqual(['a', 'b', 'c', 'd', 'e'])
    await lab.relayed()
    await adapter.close()
  })
})

it('PG-U4: PG-U5: an id is taken by subject, kind and bytes; another trace or key is a repetition, other content is a conflict', async () => {
  await using lab = await DualLab.open(postgres)
  const bus = await lab.bus()
  const publish = (to: string, data: unknown, options = {}) => bus.publish(to, data, { id: 'one', ...options })
  const first = await publish('orders.a', { total: 1 }, { key: 'k' })
  expect(await publish('orders.a', { total: 1 }, { key: 'other', headers: { trace: 'x' } })).toMatchObject({
    duplicate: true,
    sequence: first.sequence,
  })
  for (const [to, data] of [
    ['orders.a', { total: 2 }],
    ['orders.b', { total: 1 }],
    ['orders.a', Buffer.from('{"total":1}')],
  ] as const)
    expect(await codeOfAsync(publish(to, data))).toBe('BUS_ID_CONFLICT')
  expect(await codeOfAsync(bus.transaction((tx) => tx.publish('orders.a', { total: 3 }, { id: 'one' })))).toBe(
    'BUS_ID_CONFLICT',
  )
  expect(await lab.ids()).toEqual(['one'])
})
