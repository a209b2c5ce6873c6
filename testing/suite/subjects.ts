/**
 * Group `subjects`: which messages a pattern takes, how untrusted parts travel in subjects, and how streams divide the subjects.
 */
import assert from 'node:assert/strict'
import { resolveStream } from '../../src/topology.js'
import { nth, range, refuses } from './expect.js'
import { type GroupDefinition, scenario } from './harness.js'

export const subjects: GroupDefinition = {
  name: 'subjects',
  scenarios: [
    scenario('"*" takes exactly one token', async (s) => {
      const bus = await s.bus()
      for (const path of ['orders', 'orders.1', 'orders.2', 'orders.1.placed', 'invoices.1'])
        await bus.publish(s.to(path), path)
      assert.deepEqual(await s.stored(bus, { filter: s.to('orders.*') }), ['orders.1', 'orders.2'])
    }),

    scenario('"*" in the middle takes exactly one token', async (s) => {
      const bus = await s.bus()
      for (const path of ['orders.1.placed', 'orders.placed', 'orders.1.2.placed', 'orders.2.paid'])
        await bus.publish(s.to(path), path)
      assert.deepEqual(await s.stored(bus, { filter: s.to('orders.*.placed') }), ['orders.1.placed'])
    }),

    scenario('">" takes one or more tokens, not none', async (s) => {
      const bus = await s.bus()
      for (const path of ['orders', 'orders.1', 'orders.1.placed.late', 'ordersx.1'])
        await bus.publish(s.to(path), path)
      assert.deepEqual(await s.stored(bus, { filter: s.to('orders.>') }), ['orders.1', 'orders.1.placed.late'])
    }),

    scenario('a subject without wildcards takes itself only', async (s) => {
      const bus = await s.bus()
      for (const path of ['a', 'A', 'a.b', 'aa']) await bus.publish(s.to(path), path)
      assert.deepEqual(await s.stored(bus, { filter: s.to('a') }), ['a'])
    }),

    scenario('a consumer gets what its filter takes and nothing else', async (s) => {
      const bus = await s.bus()
      for (const path of ['orders.1.placed', 'orders.1.paid', 'orders.2.placed']) await bus.publish(s.to(path), path)
      const got = s.collector()
      await bus.consume(s.consumer({ filter: s.to('orders.*.placed') }), got.collect, s.pool({ concurrency: 1 }))
      await s.idle(bus)
      assert.deepEqual(got.data, ['orders.1.placed', 'orders.2.placed'])
    }),

    scenario('a consumer with several filters gets each matching message once, in stream order', async (s) => {
      const bus = await s.bus()
      for (const path of ['a.1', 'b.1', 'c.1', 'a.2', 'c.2']) await bus.publish(s.to(path), path)
      const got = s.collector()
      await bus.consume(s.consumer({ filter: [s.to('a.*'), s.to('c.*')] }), got.collect, s.pool({ concurrency: 1 }))
      await s.idle(bus)
      assert.deepEqual(got.data, ['a.1', 'c.1', 'a.2', 'c.2'])
    }),

    scenario('filters of one consumer that take the same subjects are refused', async (s) => {
      const bus = await s.bus()
      const filter = [s.to('a.*'), s.to('a.>')]
      await refuses('BUS_INVALID_OPTION', () => bus.consume(s.consumer({ filter }), () => {}, s.pool()))
      assert.deepEqual(
        (await bus.inspect()).consumers.filter((each) => each.name === s.named('worker')),
        [],
      )
    }),

    scenario('a subject may have 32 tokens', async (s) => {
      const bus = await s.bus()
      const path = range(3, 32).join('.')
      await bus.publish(s.to(path), 'deep')
      await refuses('BUS_INVALID_SUBJECT', () => bus.publish(s.to(`${path}.33`), 'too deep'))
      assert.deepEqual(await s.stored(bus, { filter: s.to(path) }), ['deep'])
    }),

    scenario('a topic carries any text as one parameter, and it arrives as it was', async (s) => {
      const bus = await s.bus()
      const orders = s.numbers('orders.{orderId}.{region}')
      const odd = ['.', '*', '>', '$JS', 'a.b', 'line\r\nbreak', 'é漢🚋', '', ' ', '%41', '__proto__']
      for (const [n, text] of odd.entries()) await bus.publish(orders.at({ orderId: text, region: 'eu' }), { n })
      const ids: string[] = []
      await bus.consume(
        s.consumer({ filter: orders }),
        (message) => ids.push(message.params.orderId),
        s.pool({ concurrency: 1 }),
      )
      await s.idle(bus)
      assert.deepEqual(ids, odd)
    }),

    scenario('a topic as filter takes the subjects of its template only', async (s) => {
      const bus = await s.bus()
      const orders = s.numbers('orders.{orderId}')
      await bus.publish(orders.at({ orderId: '1' }), { n: 1 })
      await bus.publish(s.to('orders.1.note'), { n: 2 })
      await bus.publish(s.to('invoices.1'), { n: 3 })
      const seen: number[] = []
      await bus.consume(s.consumer({ filter: orders }), (message) => seen.push(message.data.n), s.pool())
      await s.idle(bus)
      assert.deepEqual(seen, [1])
    }),

    scenario('one message goes to the one stream that takes its subject', async (s) => {
      const bus = await s.bus({ streams: [s.mainStream(), s.otherStream('side'), s.deadStream] })
      const [main, side] = [await bus.publish(s.to('a'), 'main'), await bus.publish(s.to('a', 'side'), 'side')]
      assert.deepEqual([main.stream, side.stream], [s.main, s.named('side')])
      assert.deepEqual([await s.stored(bus), await s.stored(bus, { stream: s.named('side') })], [['main'], ['side']])
    }),

    scenario('two declared streams that take the same subjects are refused before anything is created', async (s) => {
      const streams = [s.mainStream(), { ...s.otherStream('side'), subjects: [s.to('a.*')] }]
      await refuses('BUS_CONFLICT', () => s.unconnectedBus({ streams }))
      const { adapter } = await s.port()
      const names = (await adapter.inspect()).streams.map((stream) => stream.name)
      assert.ok(!names.includes(s.named('side')))
    }),

    scenario(
      'a stream that takes the subjects of an existing one is refused, and none of its companions is created',
      async (s) => {
        const port = await s.port()
        const thief = { name: s.named('thief'), subjects: [s.to('orders.*')] }
        await refuses('BUS_CONFLICT', () => port.provision(s.otherStream('innocent'), thief))
        const names = (await port.adapter.inspect()).streams.map((stream) => stream.name)
        assert.deepEqual(
          names.filter((name) => name.startsWith(s.token)),
          [s.main],
        )
      },
    ),

    scenario('declaring the same stream again changes nothing, and is reported so', async (s) => {
      const port = await s.port()
      await port.publish('kept')
      const report = await port.provision(s.mainStream(), s.otherStream('side'))
      assert.deepEqual([report.created, report.updated, report.unchanged], [[s.named('side')], [], [s.main]])
      assert.deepEqual(await port.texts(), ['kept'])
    }),

    scenario('declaring a stream with another limit updates it, and is reported so', async (s) => {
      const port = await s.port()
      const report = await port.provision(s.mainStream({ maxMessageBytes: 4 }))
      assert.deepEqual(report.updated, [s.main])
      const outcomes = await port.publish('four', 'five5')
      assert.deepEqual(
        outcomes.map((outcome) => outcome.status),
        ['accepted', 'rejected'],
      )
    }),

    scenario('a second client that declares the same streams joins the first', async (s) => {
      const [one, two] = [await s.bus(), await s.bus()]
      await one.publish(s.to('a'), 'hello')
      assert.equal(nth(await s.history(two), 0).data, 'hello')
    }),

    scenario(
      'a difference that cannot be applied to an existing stream is refused, and the stream stays as it was',
      async (s) => {
        const port = await s.port()
        await port.publish('kept')
        const changed = resolveStream({ ...s.mainStream(), storage: 'memory' })
        await refuses('BUS_CONFLICT', () => port.adapter.provision([changed]))
        assert.deepEqual(await port.texts(), ['kept'])
      },
    ),
  ],
}
