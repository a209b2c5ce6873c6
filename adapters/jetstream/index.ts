/** `busbar/nats`: NATS JetStream as a backend. */
import type { Adapter } from '../../src/adapter.js'
import { optionsOf } from '../../src/duration.js'
import { JetStreamAdapter } from './adapter.js'
import type { JetStreamOptions } from './connect/options.js'

export type { JetStreamOptions, Secret, TlsSettings } from './connect/options.js'

/** @param options where the servers are and who we are; throws `BUS_CONFIG` or `BUS_INVALID_OPTION` before anything is sent */
export function jetstream(options: JetStreamOptions = {}): Adapter {
  return new JetStreamAdapter(optionsOf('options of jetstream()', options))
}
