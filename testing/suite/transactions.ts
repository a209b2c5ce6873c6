/**
 * Group `transactions`: what a handler and an application do in a transaction of the ledger, what it settles, and what others see of it.
 * Effects are rows of a table that each scenario makes for itself.
 */
import assert from 'node:assert/strict'
import { NotAcceptedError, Reject } from '../../src/errors.js'
import type { MessageBus } from '../../src/message-bus.js'
import type { Transaction } from '../../src/transaction.js'
import { nth, range, refuses, until } from './expect.js'
import { type GroupDefinition, scenario, when, without } from './harness.js'
import type { Scene } from './scene.js'

/** A table of effects. */
class Effects {
  readonly #bus: MessageBus
  readonly #table: string

  private constructor(bus: MessageBus, table: string) {
    this.#bus = bus
    this.#table = table
  }

  static async of(s: Scene, bus: MessageBus): Promise<Effects> {
    const effects = new Effects(bus, `effects_${s.token}`)
    await bus.transaction((tx) => tx.query(`create table ${effects.#table} (of text not null)`))
    return effects
  }

  async add(tx: Transaction, of: unknown): Promise<void> {
    await tx.query(`insert into ${this.#table} (of) values ($1)`, [String(of)])
  }

  /** In alphabetical order. */
  async all(): Promise<string[]> {
    const { rows } = await this.#bus.transaction((tx) =>
      tx.query<{ of: string }>(`select of from ${this.#table} order by of`),
    )
    return rows.map((row) => row.of)
  }
}

export const transactions: GroupDefinition = {
  name: 'transactions',
  scenarios: [
    when('transactions', 'what a handler writes is there when its message is settled', async (s) => {
      const bus = await s.bus()
      const effects = await Effects.of(s, bus)
      await s.publish(bus, 'a', range(1, 5))
      await bus.consume(s.consumer(), ({ data }, { tx }) => effects.add(tx, data), s.pool())
      await s.idle(bus)
      assert.deepEqual(await effects.all(), ['1', '2', '3', '4', '5'])
    }),

    when('transactions', 'what a handler writes before it fails is not there, and is once it succeeds', async (s) => {
      const bus = await s.bus()
      const effects = await Effects.of(s, bus)
      await s.publish(bus, 'a', ['x'])
      await bus.consume(
        s.consumer(),
        async ({ data }, { tx, attempt }) => {
          await effects.add(tx, `${data}${attempt}`)
          if (attempt < 3) throw new Error('not yet')
        },
        s.pool(),
      )
      await s.idle(bus)
      assert.deepEqual(await effects.all(), ['x3'])
    }),

    when('transactions', 'what a handler writes before it takes too long is not there', async (s) => {
      const bus = await s.bus()
      const effects = await Effects.of(s, bus)
      await s.publish(bus, 'a', ['x'])
      await bus.consume(
        s.consumer(),
        async ({ data }, { tx, attempt, signal }) => {
          await effects.add(tx, `${data}${attempt}`)
          if (attempt === 1) await new Promise((resolve) => signal.addEventListener('abort', resolve))
        },
        s.pool({ timeout: 600, retry: { attempts: 20, backoff: [20], jitter: 0 } }),
      )
      await s.idle(bus)
      const written = await effects.all()
      assert.ok(written.length === 1 && written[0] !== 'x1', `${written}`)
    }),

    when('transactions', 'what a handler publishes in its transaction is handled, and not when it fails', async (s) => {
      const bus = await s.bus()
      const got = s.collector()
      await s.publish(bus, 'in', ['good', 'bad'])
      await bus.consume(
        s.consumer({ filter: s.to('in') }),
        async ({ data }, { tx }) => {
          await tx.publish(s.to('out'), `${data} done`)
          if (data === 'bad') throw new Reject('bad')
        },
        s.pool(),
      )
      await bus.consume(s.consumer({ name: s.named('next'), filter: s.to('out') }), got.collect, s.pool())
      await s.idle(bus)
      await s.idle(bus, 'next')
      assert.deepEqual(got.data, ['good done'])
      assert.deepEqual(await s.stored(bus, { filter: s.to('out') }), ['good done'])
    }),

    when('transactions', 'a message that was settled by its transaction is not handled again', async (s) => {
      const port = await s.port()
      await port.publish('a')
      const { probe, feed } = await port.attach(10, { ackWait: 300 })
      const delivery = await probe.nth(1)
      const work = port.adapter.ledger?.begin([delivery])
      await work?.query('select 1')
      await work?.commit()
      await feed.stop()
      const again = await port.attach(10, { ackWait: 300 })
      await port.publish('b')
      const next = await again.probe.nth(1)
      assert.deepEqual([Buffer.from(next.message.payload).toString(), again.probe.deliveries.length], ['b', 1])
    }),

    when('transactions', 'of two attempts at one message at the same time only one writes', async (s) => {
      const bus = await s.bus()
      const effects = await Effects.of(s, bus)
      const port = await s.port()
      await port.publish('a')
      const { probe } = await port.attach(10, { ackWait: 200 })
      const [first, second] = [await probe.arrival('a', 1), await probe.arrival('a', 2)]
      const ends = [first, second].map(async (delivery) => {
        const work = port.adapter.ledger?.begin([delivery])
        await work?.query(`insert into effects_${s.token} (of) values ('a')`)
        await work?.commit()
      })
      const failed = (await Promise.allSettled(ends)).filter((end) => end.status === 'rejected')
      assert.deepEqual([await effects.all(), failed.length], [['a'], 1])
    }),

    when('transactions', 'a batch handler commits what it handled, and not what it called failed', async (s) => {
      const bus = await s.bus()
      const effects = await Effects.of(s, bus)
      const attempts: number[] = []
      await s.publish(bus, 'a', range(1, 4))
      await bus.consume(
        s.consumer(),
        async (messages, context) => {
          for (const message of messages) {
            if (message.data === 3 && context.attemptOf(message) === 1) context.fail(message, new Error('later'))
            else await effects.add(context.tx, message.data)
            attempts.push(context.attemptOf(message))
          }
        },
        { ...s.pool(), batch: { size: 4, within: 100 } },
      )
      await s.idle(bus)
      assert.deepEqual(
        [await effects.all(), attempts.toSorted()],
        [
          ['1', '2', '3', '4'],
          [1, 1, 1, 1, 2],
        ],
      )
    }),

    when('transactions', 'a message becomes one dead letter and no effect', async (s) => {
      const bus = await s.bus()
      const effects = await Effects.of(s, bus)
      await s.publish(bus, 'a', ['x'])
      await bus.consume(
        s.consumer(),
        async ({ data }, { tx }) => {
          await effects.add(tx, data)
          throw new Error('always')
        },
        s.pool(),
      )
      await s.idle(bus)
      assert.deepEqual([await effects.all(), (await s.letters(bus)).length], [[], 1])
    }),

    when('transactions', "an application's writes and publishes commit together", async (s) => {
      const bus = await s.bus()
      const effects = await Effects.of(s, bus)
      const result = await bus.transaction(async (tx) => {
        await effects.add(tx, 'order')
        await tx.publish(s.to('a'), 'placed', { key: 'k', headers: { tenant: 'vbz' } })
        assert.deepEqual(await s.stored(bus), [])
        return 'done'
      })
      const message = nth(await s.history(bus), 0)
      assert.deepEqual([result, await effects.all(), message.data, message.key], ['done', ['order'], 'placed', 'k'])
    }),

    when('transactions', 'what an application publishes in a transaction that fails never appears', async (s) => {
      const bus = await s.bus()
      const effects = await Effects.of(s, bus)
      const failing = bus.transaction(async (tx) => {
        await effects.add(tx, 'order')
        await tx.publish(s.to('a'), 'phantom')
        throw new RangeError('changed my mind')
      })
      await assert.rejects(failing, RangeError)
      await s.publish(bus, 'a', ['real'])
      assert.deepEqual([await effects.all(), await s.stored(bus)], [[], ['real']])
    }),

    when('transactions', 'what is published in a transaction is checked at once', async (s) => {
      const bus = await s.bus({ stream: { maxMessageBytes: 100 } })
      await bus.transaction(async (tx) => {
        await refuses('BUS_INVALID_SUBJECT', () => tx.publish('no spaces', 1))
        await refuses('BUS_NO_STREAM', () => tx.publish(s.to('a', 'nowhere'), 1))
        await refuses('BUS_TOO_LARGE', () => tx.publish(s.to('a'), 'x'.repeat(200)))
        await refuses('BUS_INVALID_MESSAGE', () => tx.publish(s.to('a'), 1, { id: '' }))
      })
      assert.deepEqual(await s.stored(bus), [])
    }),

    when('transactions', 'a transaction whose publish is refused rolls back as a whole', async (s) => {
      const bus = await s.bus()
      const effects = await Effects.of(s, bus)
      await bus.publish(s.to('a'), 'first', { id: s.named('id') })
      const conflicting = bus.transaction(async (tx) => {
        await effects.add(tx, 'order')
        await tx.publish(s.to('a'), 'second', { id: s.named('id') })
      })
      await refuses('BUS_ID_CONFLICT', () => conflicting)
      assert.deepEqual([await effects.all(), await s.stored(bus)], [[], ['first']])
    }),

    when(
      'transactions',
      'a transaction keeps the order of a key with what is published before and after',
      async (s) => {
        const bus = await s.bus()
        const got = s.collector()
        await bus.consume(s.consumer({ order: 'key' }), got.collect, s.pool())
        for (const n of range(1, 12)) {
          if (n % 3 === 0) await bus.transaction((tx) => tx.publish(s.to('a'), n, { key: 'k' }))
          else await bus.publish(s.to('a'), n, { key: 'k' })
        }
        await got.reached(12)
        assert.deepEqual(got.data, range(1, 12))
      },
    ),

    when('transactions', 'a transaction ends when its body does: nothing can be added later', async (s) => {
      const bus = await s.bus()
      let kept: Transaction | undefined
      await bus.transaction(async (tx) => {
        kept = tx
        await tx.query('select 1')
      })
      await refuses('BUS_CLOSED', () => kept?.query('select 1'))
      await refuses('BUS_CLOSED', () => kept?.publish(s.to('a'), 1))
      assert.deepEqual(await s.stored(bus), [])
    }),

    without('transactions', 'without a ledger a handler that asks for a transaction fails', async (s) => {
      const bus = await s.bus()
      await refuses('BUS_UNSUPPORTED', () => bus.transaction(async () => {}))
      await s.publish(bus, 'a', ['x'])
      await bus.consume(s.consumer(), (_, { tx }) => tx.query('select 1'), s.pool({ retry: { attempts: 1 } }))
      await until(async () => (await s.letters(bus)).length === 1, 'the dead letter')
    }),

    scenario('a transaction without a body is refused', async (s) => {
      const bus = await s.bus()
      const code = s.supports.transactions ? 'BUS_INVALID_OPTION' : 'BUS_UNSUPPORTED'
      const error = await refuses(code, () => bus.transaction(undefined as never))
      assert.ok(!(error instanceof NotAcceptedError))
    }),
  ],
}
