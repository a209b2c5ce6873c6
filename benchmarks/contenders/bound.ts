/**
 * The bound: what any bus in one process pays for isolation and an answer. No subjects, no streams, no consumers, no retries.
 */
import { type Contender, IN_FLIGHT, IN_HEAP, type Order, PAYLOADS } from '../contender.js'

export const bound: Contender = {
  name: 'bound',
  what: 'a loop: JSON.stringify + JSON.parse + a map entry + a promise for each message',
  durability: IN_HEAP,
  beside: 'memory',
  groups: ['throughput'],
  payloads: PAYLOADS,
  messages: (sizes) => sizes.messages,
  prepare: async ({ messages, order }) => {
    const entries = new Map<number, string>()
    let total = 0
    async function carry(id: number): Promise<void> {
      const text = JSON.stringify(order)
      entries.set(id, text)
      const copy: Order = JSON.parse(text)
      total += copy.total
      entries.delete(id)
    }
    return {
      async run() {
        for (let id = 0; id < messages; ) {
          const window: Promise<void>[] = []
          while (window.length < IN_FLIGHT && id < messages) window.push(carry(id++))
          await Promise.all(window)
        }
        if (Math.round(total / order.total) !== messages) throw new Error('the bound lost a message')
      },
      close: async () => {},
    }
  },
}
