/**
 * Group `retention`: how long a stream keeps a message that is within its limits: always, until its work is done, or while somebody
 * is interested.
 */
import assert from 'node:assert/strict'
import { Reject } from '../../src/errors.js'
import { refuses, until } from './expect.js'
import { type GroupDefinition, scenario, when, without } from './harness.js'

const workqueue = { stream: { retention: 'workqueue' } } as const
const interest = { stream: { retention: 'interest' } } as const

export const retention: GroupDefinition = {
  name: 'retention',
  scenarios: [
    scenario("'limits' keeps a message after every consumer settled it", async (s) => {
      const bus = await s.bus()
      await s.publish(bus, 'a', [1, 2])
      await bus.consume(s.consumer(), () => {}, s.pool())
      await s.idle(bus)
      assert.deepEqual(await s.stored(bus), [1, 2])
    }),

    when('workqueue', "'workqueue' keeps a message until its consumer settled it", async (s) => {
      const bus = await s.bus(workqueue)
      await s.publish(bus, 'a', [1, 2])
      const gate = s.gate()
      await bus.consume(s.consumer(), gate.enter, s.pool())
      await gate.reached(2)
      assert.deepEqual(await s.stored(bus), [1, 2])
      gate.open()
      await until(async () => (await s.stored(bus)).length === 0, 'the queue to empty')
    }),

    when('workqueue', "'workqueue' keeps messages that nobody consumes yet", async (s) => {
      const bus = await s.bus(workqueue)
      await s.publish(bus, 'a', [1, 2])
      const got = s.collector()
      await bus.consume(s.consumer(), got.collect, s.pool({ concurrency: 1 }))
      await s.idle(bus)
      assert.deepEqual(got.data, [1, 2])
    }),

    when('workqueue', "'workqueue' lets go of a message that became a dead letter", async (s) => {
      const bus = await s.bus(workqueue)
      await s.publish(bus, 'a', ['bad'])
      await bus.consume(
        s.consumer(),
        () => {
          throw new Reject('bad')
        },
        s.pool(),
      )
      await until(async () => (await s.stored(bus)).length === 0, 'the queue to empty')
      assert.deepEqual(
        (await s.letters(bus)).map((letter) => letter.data),
        ['bad'],
      )
    }),

    when('workqueue', "'workqueue' keeps a message that waits for its next attempt", async (s) => {
      const bus = await s.bus(workqueue)
      await s.publish(bus, 'a', ['fails once'])
      const pool = await bus.consume(
        s.consumer(),
        (_, { attempt }) => {
          if (attempt === 1) throw new Error('once')
        },
        s.pool({ retry: { attempts: 3, backoff: [150], jitter: 0 } }),
      )
      await until(() => pool.stats().retried === 1, 'the first attempt to fail')
      assert.deepEqual(await s.stored(bus), ['fails once'])
      await until(async () => (await s.stored(bus)).length === 0, 'the queue to empty')
    }),

    when('workqueue', "'workqueue' refuses a second consumer of the same subjects", async (s) => {
      const bus = await s.bus(workqueue)
      await bus.consume(s.consumer({ filter: s.to('orders.>') }), () => {}, s.pool())
      const other = s.consumer({ name: s.named('other'), filter: s.to('*.placed') })
      await refuses('BUS_CONFLICT', () => bus.consume(other, () => {}, s.pool()))
    }),

    when('workqueue', "'workqueue' lets consumers divide the subjects", async (s) => {
      const bus = await s.bus(workqueue)
      const [placed, paid] = [s.collector(), s.collector()]
      await bus.consume(s.consumer({ name: s.named('placed'), filter: s.to('placed') }), placed.collect, s.pool())
      await bus.consume(s.consumer({ name: s.named('paid'), filter: s.to('paid') }), paid.collect, s.pool())
      for (const path of ['placed', 'paid', 'placed']) await bus.publish(s.to(path), path)
      await until(async () => (await s.stored(bus)).length === 0, 'the queue to empty')
      assert.deepEqual([placed.data, paid.data], [['placed', 'placed'], ['paid']])
    }),

    when('workqueue', "a full 'workqueue' takes messages again as its work is done", async (s) => {
      const bus = await s.bus({ stream: { retention: 'workqueue', maxMessages: 1 } })
      await s.publish(bus, 'a', [1])
      await refuses('BUS_UNAVAILABLE', () => bus.publish(s.to('a'), 2))
      await bus.consume(s.consumer(), () => {}, s.pool())
      await until(async () => (await s.stored(bus)).length === 0, 'the queue to empty')
      await s.publish(bus, 'a', [2])
    }),

    without('workqueue', "'workqueue' is refused when the bus connects", async (s) => {
      await refuses('BUS_UNSUPPORTED', () => s.bus(workqueue))
    }),

    when('interest', "'interest' drops a message at once when no consumer is interested", async (s) => {
      const bus = await s.bus(interest)
      const receipt = await bus.publish(s.to('a'), 'into the void')
      assert.ok(receipt.sequence >= 1)
      assert.deepEqual(await s.stored(bus), [])
    }),

    when('interest', "'interest' keeps a message until every interested consumer settled it", async (s) => {
      const bus = await s.bus(interest)
      const gate = s.gate()
      await bus.consume(s.consumer({ name: s.named('quick') }), () => {}, s.pool())
      await bus.consume(s.consumer({ name: s.named('slow') }), gate.enter, s.pool())
      await s.publish(bus, 'a', [1])
      await gate.reached(1)
      await s.idle(bus, 'quick')
      assert.deepEqual(await s.stored(bus), [1])
      gate.open()
      await until(async () => (await s.stored(bus)).length === 0, 'the message to go')
    }),

    when('interest', "'interest' counts a consumer that is not running now", async (s) => {
      const bus = await s.bus(interest)
      const pool = await bus.consume(s.consumer(), () => {}, s.pool())
      await pool.stop()
      await s.publish(bus, 'a', ['kept'])
      assert.deepEqual(await s.stored(bus), ['kept'])
    }),

    when('interest', "'interest' does not count a consumer whose filter takes other subjects", async (s) => {
      const bus = await s.bus(interest)
      const gate = s.gate()
      await bus.consume(s.consumer({ filter: s.to('orders.*') }), gate.enter, s.pool())
      await bus.publish(s.to('invoices.1'), 'nobody')
      await bus.publish(s.to('orders.1'), 'somebody')
      assert.deepEqual(await s.stored(bus), ['somebody'])
    }),

    without('interest', "'interest' is refused when the bus connects", async (s) => {
      await refuses('BUS_UNSUPPORTED', () => s.bus(interest))
    }),
  ],
}
