/** Messages published to a stream and heard live by so many subscribers; what is counted is what they hear. */
import { type Contender, IN_FLIGHT, type Load, type Order, type Prepared } from '../contender.js'
import { Handled, publishAll } from '../load.js'
import { type Backend, openBus } from '../place.js'

export interface Hub {
  publish(order: Order): unknown
  subscribe(hear: (order: Order) => unknown): Promise<unknown>
  close(): Promise<unknown>
}

export function fanOut(
  row: Pick<Contender, 'name' | 'what' | 'durability' | 'beside'>,
  subscribers: number,
  open: () => Promise<Hub>,
): Contender {
  return {
    ...row,
    groups: ['fan-out'],
    messages: ({ messages }) => Math.ceil(messages / subscribers) * subscribers,
    prepare: (load) => prepareFanOut(load, subscribers, open),
  }
}

async function prepareFanOut(load: Load, subscribers: number, open: () => Promise<Hub>): Promise<Prepared> {
  // A warm-up need not be a multiple of the subscribers.
  const published = { ...load, messages: Math.max(1, Math.floor(load.messages / subscribers)) }
  const handled = new Handled({ ...load, messages: published.messages * subscribers })
  const hub = await open()
  for (let at = 0; at < subscribers; at++) await hub.subscribe(handled.handle)
  return {
    async run() {
      await publishAll({ publish: async (order) => hub.publish(order) }, published, IN_FLIGHT)
      await handled.all
    },
    close: () => hub.close(),
  }
}

export function busHub(backend: Backend): () => Promise<Hub> {
  return async () => {
    const place = await backend.create()
    const bus = await openBus(place.address)
    return {
      publish: (order) => bus.publish(place.subject, order),
      subscribe: (hear) => bus.subscribe(place.subject, ({ data }) => hear(data as Order)),
      async close() {
        await bus.close()
        await place.remove()
      },
    }
  }
}
