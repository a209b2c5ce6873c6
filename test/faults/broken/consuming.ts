/** Adapters that settle too early, or hand out what is not due. */
import type { Adapter, Sink } from '../../../src/adapter.js'
import { type Broken, instead } from './broken.js'

/** What its process had begun when it died is gone. */
export const acksEarly: Broken = {
  name: 'acks before the handler ends',
  adapter: 'nats',
  faults: ['F1b'],
  rule: 'R1',
  // Nor does anything come again that failed.
  follows: ['R5', 'R6'],
  breaks: (adapter) =>
    instead(adapter, {
      attach: (consumer, sink) => adapter.attach(consumer, settling(adapter, sink)),
      settle: () => {},
    }),
}

function settling(adapter: Adapter, sink: Sink): Sink {
  return {
    awaiting: (messages) => sink.awaiting(messages),
    gone: (messages) => sink.gone(messages),
    deliver: (deliveries) => {
      void Promise.resolve(adapter.settle(deliveries, { kind: 'ack' })).catch(() => {})
      sink.deliver(deliveries)
    },
  }
}

/** Every process is served at once, and each keeps only its own lanes. */
export const letsKeysOvertake: Broken = {
  name: 'lets a key overtake',
  adapter: 'nats',
  faults: [],
  rule: 'R5',
  follows: [],
  breaks: (adapter) =>
    instead(adapter, { attach: (consumer, sink) => adapter.attach({ ...consumer, order: 'none' }, sink) }),
}

/** A worker that was taken for dead commits what it had begun, beside the one that took over. */
export const commitsWithoutClaim: Broken = {
  name: 'commits without a claim',
  adapter: 'dual',
  faults: ['F4b'],
  rule: 'R3',
  follows: [],
  breaks: (adapter) => {
    const unclaimed = (): Adapter['ledger'] => {
      const { ledger } = adapter
      return ledger && { ...ledger, begin: (_, client) => ledger.begin([], client) }
    }
    const methods = Object.defineProperty({}, 'ledger', { get: unclaimed })
    return instead(adapter, methods)
  },
}
