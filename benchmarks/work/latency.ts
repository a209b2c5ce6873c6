/** Publish to handler at a fixed rate, by whoever can publish and consume. What is due is sent, whatever was answered. */
import type { Contender, Load, Order, Prepared } from '../contender.js'
import { Handled, publishAtRate, Times } from '../load.js'

/** With a handler in place before the first message. */
export interface Flow {
  publish(order: Order): Promise<unknown>
  /** Rejects unless that many messages were stored and settled; then clears away. */
  close(messages: number): Promise<unknown>
}

export type OpenFlow = (handle: (order: Order) => Promise<void>) => Promise<Flow>

/** Of an ordinary run, so that a run at the rate takes a second. */
const ORDINARY = 50_000

export function latency(
  row: Pick<Contender, 'name' | 'what' | 'durability' | 'beside'>,
  rate: number,
  open: OpenFlow,
): Contender {
  return {
    ...row,
    groups: ['rates'],
    messages: ({ messages }) => Math.ceil((messages * rate) / ORDINARY),
    prepare: (load) => prepareRate(load, rate, open),
  }
}

async function prepareRate(load: Load, rate: number, open: OpenFlow): Promise<Prepared> {
  const times = new Times(load.messages)
  const handled = new Handled(load, times.arrived)
  const flow = await open(handled.handle)
  return {
    latenciesMs: times.latenciesMs,
    acceptedMs: times.acceptedMs,
    async run() {
      await publishAtRate(flow, load, rate, times)
      await handled.all
    },
    close: () => flow.close(load.messages),
  }
}
