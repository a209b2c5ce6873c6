/** What is done to every contender alike: callers that publish, at their own pace or at a given rate, and a handler that counts. */
import { setTimeout as delay } from 'node:timers/promises'
import type { Load, Order } from './contender.js'

export interface Publishes {
  /** Resolves once it is accepted. */
  publish(order: Order): Promise<unknown>
}

/**
 * Each caller awaits its publish before the next one.
 * @param acceptedMs receives how long each took
 */
export async function publishAll(
  { publish }: Publishes,
  { messages, order }: Load,
  callers: number,
  acceptedMs?: Float64Array,
): Promise<void> {
  let sent = 0
  const call = async (): Promise<void> => {
    while (sent < messages) {
      const at = sent++
      const startedAt = performance.now()
      await publish(order)
      if (acceptedMs !== undefined) acceptedMs[at] = performance.now() - startedAt
    }
  }
  await Promise.all(Array.from({ length: callers }, call))
}

/** When each message was published, and how long it took to be accepted and to reach its handler, in ms. */
export class Times {
  readonly sentAt: Float64Array
  readonly acceptedMs: Float64Array
  readonly latenciesMs: Float64Array

  constructor(messages: number) {
    this.sentAt = new Float64Array(messages)
    this.acceptedMs = new Float64Array(messages)
    this.latenciesMs = new Float64Array(messages)
  }

  /** To be told of each order that reaches its handler. */
  readonly arrived = (received: Order): void => {
    const at = numberOf(received)
    this.latenciesMs[at] = performance.now() - (this.sentAt[at] ?? 0)
  }
}

/** Sends what is due, each millisecond or as soon as the event loop turns again; nothing waits for an answer. */
export async function publishAtRate(
  { publish }: Publishes,
  { messages, order }: Load,
  rate: number,
  { sentAt, acceptedMs }: Times,
): Promise<void> {
  const accepted: Promise<unknown>[] = []
  const startedAt = performance.now()
  const send = async (at: number): Promise<void> => {
    sentAt[at] = performance.now()
    await publish(numbered(order, at))
    acceptedMs[at] = performance.now() - (sentAt[at] ?? 0)
  }
  while (accepted.length < messages) {
    const due = Math.min(messages, Math.ceil(((performance.now() - startedAt) / 1000) * rate))
    while (accepted.length < due) accepted.push(send(accepted.length))
    await delay(1)
  }
  await Promise.all(accepted)
}

/** As large as any other. */
function numbered(order: Order, at: number): Order {
  return { ...order, customer: `C-${String(at).padStart(9, '0')}` }
}

function numberOf({ customer }: Order): number {
  return Number(customer.slice(2))
}

/** A handler that says when it was called for the last message. */
export class Handled {
  readonly all: Promise<void>
  readonly handle: (order: Order) => Promise<void>

  constructor({ messages, order }: Load, onOrder: (order: Order) => unknown = () => {}) {
    let left = messages
    let total = 0
    let done = (): void => {}
    this.all = new Promise((resolve, reject) => {
      done = () =>
        Math.round(total / order.total) === messages ? resolve() : reject(new Error('an order was changed'))
    })
    this.handle = async (received) => {
      const pause = onOrder(received)
      if (pause !== undefined) await pause
      total += received.total
      if (--left === 0) done()
    }
  }
}
