/** What does not compile: wrong payloads, wrong parameters, the wrong kind of handler. */
import { describe, expectTypeOf, it } from 'vitest'
import { z } from 'zod'
import {
  type BatchContext,
  type HandlerContext,
  type Message,
  type MessageBus,
  type Pool,
  type Receipt,
  type Transaction,
  topic,
} from '../../src/index.js'

declare const bus: MessageBus

const placed = topic('orders.{orderId}.placed', { schema: z.object({ total: z.number() }) })
const moved = topic('stock.{sku}.to.{place}', { schema: z.object({ count: z.number().default(1) }) })
const tick = topic('tick', { schema: z.string() })

describe('publish', () => {
  it('takes the payload of the topic', () => {
    expectTypeOf(bus.publish(placed.at({ orderId: '1' }), { total: 1 })).toEqualTypeOf<Promise<Receipt>>()
    bus.publish(tick.at(), 'now')
    bus.publish('any.subject', { any: 'thing' })
  })

  it('takes what the schema takes, not what it gives', () => {
    bus.publish(moved.at({ sku: 'a', place: 'b' }), {})
  })

  it('does not take another payload', () => {
    // @ts-expect-error the total is a number
    bus.publish(placed.at({ orderId: '1' }), { total: '1' })
    // @ts-expect-error the total is missing
    bus.publish(placed.at({ orderId: '1' }), {})
    // @ts-expect-error a tick is a string
    bus.publish(tick.at(), 1)
  })

  it('does not take a topic without its parameters', () => {
    // @ts-expect-error a topic is not an address
    bus.publish(placed, { total: 1 })
  })
})

describe('at', () => {
  it('takes exactly the parameters of the template', () => {
    // @ts-expect-error none given
    placed.at()
    // @ts-expect-error orderId is missing
    placed.at({})
    // @ts-expect-error place is missing
    moved.at({ sku: 'a' })
    // @ts-expect-error nothing is called other
    placed.at({ orderId: '1', other: '2' })
    // @ts-expect-error a parameter is a string
    placed.at({ orderId: 1 })
    // @ts-expect-error the template has no parameter
    tick.at({ any: 'thing' })
    expectTypeOf(moved.parse('x')).toEqualTypeOf<{ readonly sku: string; readonly place: string } | undefined>()
  })
})

describe('consume', () => {
  const consumer = { name: 'c', stream: 's' } as const

  it('types the message by one topic', () => {
    bus.consume({ ...consumer, filter: moved }, (message, context) => {
      expectTypeOf(message.data).toEqualTypeOf<{ count: number }>()
      expectTypeOf(message.params).toEqualTypeOf<{ readonly sku: string; readonly place: string }>()
      expectTypeOf(context).toEqualTypeOf<HandlerContext>()
    })
  })

  it('types the message by the union of several topics', () => {
    bus.consume({ ...consumer, filter: [placed, tick] }, (message) => {
      expectTypeOf(message.data).toEqualTypeOf<{ total: number } | string>()
    })
  })

  it('knows nothing of the message of a plain subject, or without a filter', () => {
    bus.consume({ ...consumer, filter: 'orders.>' }, (message) => {
      expectTypeOf(message).toEqualTypeOf<Message<unknown>>()
    })
    bus.consume(consumer, (message) => {
      expectTypeOf(message.data).toBeUnknown()
    })
    bus.consume({ ...consumer, filter: ['a', placed] }, (message) => {
      expectTypeOf(message.data).toBeUnknown()
    })
  })

  it('gives a batch handler its messages when a batch is asked for', () => {
    const pool = bus.consume(
      { ...consumer, filter: placed },
      (messages, context) => {
        expectTypeOf(messages).toExtend<readonly Message<{ total: number }>[]>()
        expectTypeOf(messages[0]?.data).toEqualTypeOf<{ total: number } | undefined>()
        expectTypeOf(context.signal).toEqualTypeOf<AbortSignal>()
        for (const message of messages) {
          context.fail(message, new Error('no'))
          expectTypeOf(context.attemptOf(message)).toBeNumber()
        }
      },
      { batch: { size: 10 } },
    )
    expectTypeOf(pool).toEqualTypeOf<Promise<Pool>>()
  })

  it('does not give a batch without being asked', () => {
    // @ts-expect-error one message is not a list
    bus.consume({ ...consumer, filter: placed }, (messages: readonly Message<{ total: number }>[]) => messages.length)
    // @ts-expect-error the size is missing
    bus.consume(consumer, () => {}, { batch: {} })
  })

  it('does not take a handler of another topic', () => {
    // @ts-expect-error the data of placed is not a string
    bus.consume({ ...consumer, filter: placed }, (message: Message<string>) => message.data)
  })
})

describe('contexts', () => {
  it('tell attempts and abortion', () => {
    expectTypeOf<HandlerContext>().toEqualTypeOf<{
      readonly attempt: number
      readonly lastAttempt: boolean
      readonly signal: AbortSignal
      readonly tx: Transaction
      working(): void
    }>()
    expectTypeOf<BatchContext>().toHaveProperty('fail')
    expectTypeOf<BatchContext>().not.toHaveProperty('attempt')
  })
})

describe('subscribe and replay', () => {
  it('type their messages as consume does', () => {
    bus.subscribe(placed, (message) => {
      expectTypeOf(message.data.total).toBeNumber()
    })
    expectTypeOf(bus.replay({ stream: 's', filter: tick })).toExtend<AsyncIterable<Message<string, unknown>>>()
    bus.subscribe('a.*', (message) => {
      expectTypeOf(message.data).toBeUnknown()
    })
  })
})

describe('options', () => {
  it('that are wrong do not compile', () => {
    // @ts-expect-error a duration has a unit
    bus.publish('a', 1, { delay: '5' })
    // @ts-expect-error there is no such order
    bus.consume({ name: 'c', stream: 's', order: 'strict' }, () => {})
    // @ts-expect-error there is no such start
    bus.replay({ stream: 's', from: 'first' })
  })
})
