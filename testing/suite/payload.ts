/**
 * Group `payload`: what was published is what arrives, bit for bit, and nothing is shared by reference.
 */
import assert from 'node:assert/strict'
import { nth, range } from './expect.js'
import { type GroupDefinition, scenario } from './harness.js'

const ALL_BYTES = Uint8Array.from(range(0, 255))

export const payload: GroupDefinition = {
  name: 'payload',
  scenarios: [
    scenario('every JSON value arrives as it was published', async (s) => {
      const bus = await s.bus()
      const values = [
        null,
        true,
        false,
        0,
        -1.5,
        '',
        'Zürich 漢字 🚋 \u2028',
        [],
        {},
        [1, [2, { three: [null] }]],
        { a: { b: '\n' } },
      ]
      await s.publish(bus, 'a', values)
      const got = s.collector()
      await bus.consume(s.consumer(), got.collect, s.pool({ concurrency: 1 }))
      await got.reached(values.length)
      assert.deepEqual(got.data, values)
    }),

    scenario('bytes arrive as a Uint8Array with every value from 0 to 255', async (s) => {
      const bus = await s.bus()
      await bus.publish(s.to('a'), ALL_BYTES)
      const got = s.collector()
      await bus.consume(s.consumer(), got.collect, s.pool())
      await got.reached(1)
      const [data] = got.data
      assert.ok(data instanceof Uint8Array)
      assert.deepEqual([...data], [...ALL_BYTES])
    }),

    scenario('an empty byte array is a message too', async (s) => {
      const bus = await s.bus()
      await bus.publish(s.to('a'), new Uint8Array(0))
      const [data] = await s.stored(bus)
      assert.ok(data instanceof Uint8Array && data.byteLength === 0)
    }),

    scenario('a payload of 256 KiB arrives whole', async (s) => {
      const bus = await s.bus()
      const big = Buffer.alloc(256 * 1024, ALL_BYTES)
      await bus.publish(s.to('a'), big)
      const [data] = await s.stored(bus)
      assert.ok(data instanceof Uint8Array && Buffer.compare(data, big) === 0)
    }),

    scenario('changing an object after its publish was called does not change the message', async (s) => {
      const bus = await s.bus()
      const order = { total: 9, lines: ['a'] }
      const publishing = bus.publish(s.to('a'), order)
      order.total = 0
      order.lines.push('b')
      await publishing
      assert.deepEqual(await s.stored(bus), [{ total: 9, lines: ['a'] }])
    }),

    scenario('changing an object after its publish to a topic was called does not change the message', async (s) => {
      const bus = await s.bus()
      const order = { n: 9 }
      const publishing = bus.publish(s.numbers('orders.{orderId}').at({ orderId: '1' }), order)
      order.n = 0
      await publishing
      assert.deepEqual(await s.stored(bus), [{ n: 9 }])
    }),

    scenario('changing bytes after their publish was called does not change the message', async (s) => {
      const bus = await s.bus()
      const bytes = Uint8Array.of(1, 2, 3)
      const publishing = bus.publish(s.to('a'), bytes)
      bytes.fill(9)
      await publishing
      bytes.fill(8)
      assert.deepEqual(await s.stored(bus), [Uint8Array.of(1, 2, 3)])
    }),

    scenario('what one handler does to its data, another consumer and a later attempt do not see', async (s) => {
      const bus = await s.bus()
      await bus.publish(s.to('a'), { tags: ['new'] })
      const seen: unknown[] = []
      await bus.consume(
        s.consumer(),
        (message, { attempt }) => {
          seen.push(structuredClone(message.data))
          Object.assign(message.data as object, { tags: ['spoilt'] })
          if (attempt === 1) throw new Error('again')
        },
        s.pool(),
      )
      await s.idle(bus)
      assert.deepEqual([...seen, ...(await s.stored(bus))], [{ tags: ['new'] }, { tags: ['new'] }, { tags: ['new'] }])
    }),

    scenario('what a reader does to its bytes, the next reader does not see', async (s) => {
      const bus = await s.bus()
      await bus.publish(s.to('a'), Uint8Array.of(1, 2, 3))
      for (const data of await s.stored(bus)) (data as Uint8Array).fill(0)
      assert.deepEqual(await s.stored(bus), [Uint8Array.of(1, 2, 3)])
    }),

    scenario('headers arrive bit for bit', async (s) => {
      const bus = await s.bus()
      const headers = {
        plain: 'x',
        empty: '',
        spaces: '  both ends  ',
        tab: 'a\tb',
        quotes: `"'\`\\`,
        percent: '%20%',
        accents: 'é ü ß',
        wide: '漢字 🚋',
        Case: 'A',
        long: 'l'.repeat(2000),
      }
      await bus.publish(s.to('a'), 1, { headers })
      const [message] = await s.history(bus)
      assert.deepEqual({ ...message?.headers }, headers)
    }),

    scenario('a header may be named like something that every object has', async (s) => {
      const bus = await s.bus()
      const headers = Object.fromEntries(
        ['constructor', 'toString', '__proto__', 'hasOwnProperty'].map((name) => [name, 'x']),
      )
      await bus.publish(s.to('a'), 1, { headers })
      const message = nth(await s.history(bus), 0)
      assert.deepEqual(Object.entries(message.headers).toSorted(), Object.entries(headers).toSorted())
    }),

    scenario("a message published without headers has none, and busbar's own stay hidden", async (s) => {
      const bus = await s.bus()
      await bus.publish(s.to('a'), Uint8Array.of(1))
      await bus.publish(s.numbers('orders.{orderId}').at({ orderId: '1' }), { n: 1 })
      for (const message of await s.history(bus)) assert.deepEqual(Object.keys(message.headers), [])
    }),

    scenario('ids and keys of any alphabet arrive as they were given', async (s) => {
      const bus = await s.bus()
      const odd = [
        'Zürich 漢字 🚋',
        'a.b.*.>',
        '$JS',
        "it's; drop table",
        '__proto__',
        ' lead and trail ',
        '%00',
        'x'.repeat(256),
      ]
      for (const text of odd) await bus.publish(s.to('a'), 1, { id: text, key: text })
      const messages = await s.history(bus)
      assert.deepEqual(
        messages.map((message) => message.id),
        odd,
      )
      assert.deepEqual(
        messages.map((message) => message.key),
        odd,
      )
    }),

    scenario('a message published without a key has none', async (s) => {
      const bus = await s.bus()
      await bus.publish(s.to('a'), 1)
      assert.equal(nth(await s.history(bus), 0).key, undefined)
    }),

    scenario('a message tells its subject, its place and when it was taken', async (s) => {
      const bus = await s.bus()
      const before = Date.now()
      const receipt = await bus.publish(s.to('orders.42.placed'), 1)
      const message = nth(await s.history(bus), 0)
      assert.deepEqual(
        [message.subject, message.stream, message.sequence],
        [s.to('orders.42.placed'), s.main, receipt.sequence],
      )
      assert.ok(Math.abs(message.time - before) <= s.toleranceMs, `taken at ${message.time}, published at ${before}`)
    }),
  ],
}
