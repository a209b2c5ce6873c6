/**
 * Group `ledger`: questions about the past, and the comparison of a ledger with the backend behind it. What is lost there, and mended, is for
 * the tests of that backend.
 */
import assert from 'node:assert/strict'
import type { MessageBus } from '../../src/message-bus.js'
import { nth, range, refuses, until } from './expect.js'
import { type GroupDefinition, when, without } from './harness.js'

export const ledger: GroupDefinition = {
  name: 'ledger',
  scenarios: [
    when('transactions', 'history finds messages by key, id, time and subject, from either end', async (s) => {
      const bus = await s.bus()
      for (const n of range(1, 6)) await bus.publish(s.to(`s${n % 2}`), n, { key: `k${n % 3}`, id: s.named(`${n}`) })
      const found = async (query: Parameters<MessageBus['history']>[0]): Promise<unknown[]> => {
        const data: unknown[] = []
        for await (const message of bus.history({ stream: s.main, ...query })) data.push(message.data)
        return data
      }
      const { time } = nth(await s.history(bus), 3)
      assert.deepEqual(await found({ key: 'k1' }), [1, 4])
      assert.deepEqual(await found({ id: s.named('5') }), [5])
      assert.deepEqual(await found({ filter: s.to('s0'), order: 'newest-first', limit: 2 }), [6, 4])
      assert.ok((await found({ from: time })).includes(4))
      assert.ok((await found({ to: new Date(time) })).includes(4))
    }),

    when('transactions', 'a backend that has what it was given is the same as the ledger', async (s) => {
      const bus = await s.bus()
      await s.publish(bus, 'a', range(1, 5))
      await until(async () => (await bus.verify({ stream: s.main })).waiting === 0, 'the relay')
      const { ledger, inner, missing, foreign, isSame } = await bus.verify({ stream: s.main })
      assert.deepEqual([ledger, inner, missing, foreign, isSame], [5, 5, 0, 0, true])
      const repaired = await bus.repair({ stream: s.main })
      assert.deepEqual([repaired.republished, await s.stored(bus)], [0, range(1, 5)])
      await refuses('BUS_NOT_FOUND', () => bus.verify({ stream: s.named('nowhere') }))
    }),

    without('transactions', 'without a ledger its calls are refused', async (s) => {
      const bus = await s.bus()
      const stream = s.main
      await refuses('BUS_UNSUPPORTED', () => bus.verify({ stream }))
      await refuses('BUS_UNSUPPORTED', () => bus.repair({ stream }))
      await refuses('BUS_UNSUPPORTED', async () => {
        for await (const _ of bus.history({ stream })) assert.fail('there is no history')
      })
    }),
  ],
}
