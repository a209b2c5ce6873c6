/** What is done to every contender alike: callers that publish, and a handler that counts. */
import { type Order, order } from './contender.js'

/** Each caller awaits its publish before the next one. */
export async function publishAll(
  { publish }: { publish(order: Order): Promise<unknown> },
  messages: number,
  callers: number,
): Promise<void> {
  let sent = 0
  const call = async (): Promise<void> => {
    while (sent < messages) {
      sent++
      await publish(order)
    }
  }
  await Promise.all(Array.from({ length: callers }, call))
}

/** A handler that says when it was called for the last message. */
export class Handled {
  readonly all: Promise<void>
  readonly handle: (order: Order) => Promise<void>

  constructor(messages: number, onOrder: (order: Order) => void = () => {}) {
    let left = messages
    let total = 0
    let done = (): void => {}
    this.all = new Promise((resolve, reject) => {
      done = () =>
        Math.round(total / order.total) === messages ? resolve() : reject(new Error('an order was changed'))
    })
    this.handle = async (received) => {
      onOrder(received)
      total += received.total
      if (--left === 0) done()
    }
  }
}
