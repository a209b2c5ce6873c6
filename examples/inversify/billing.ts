/** Bills every order that was placed, and says so on the bus. */
import { inject, injectable } from 'inversify'
import type { HandlerContext, Message, MessageBus } from '../../src/index.js' // busbar
import { Consume, TOKENS } from '../../wiring/container.js' // busbar/inversify
import { OrderBilled, OrderPlaced } from './orders.js'

@injectable()
export class Billing {
  readonly #bus: MessageBus

  constructor(@inject(TOKENS.MessageBus) bus: MessageBus) {
    this.#bus = bus
  }

  @Consume(OrderPlaced, { name: 'billing', stream: 'orders', retry: { attempts: 3, backoff: ['50ms'] } })
  async onPlaced({ id, params, data }: Message<{ total: number }, { orderId: string }>, { attempt }: HandlerContext) {
    if (data.total > 100 && attempt === 1) throw new Error('the bank asks for patience')
    const { orderId } = params
    // An id made from the order's own: an order that is billed twice, after a crash, is reported once.
    await this.#bus.publish(
      OrderBilled.at({ orderId }),
      { invoice: `${orderId}/${data.total}` },
      { id: `${id}-billed` },
    )
  }
}
