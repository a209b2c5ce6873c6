/** The bus of the chaos run, for its parent and its worker process alike. */
import { jetstream } from '../../adapters/jetstream/index.js' // busbar/nats
import { createBus, type MessageBus } from '../../src/index.js' // busbar
import { streams } from './consumers.js'

/** A worker process may be started while the server is away. */
const CONNECT_WITHIN = '60s'

export async function connectTo(url: string): Promise<MessageBus> {
  const bus = createBus({ adapter: jetstream({ servers: url, connectTimeout: CONNECT_WITHIN }), streams })
  await bus.connect()
  return bus
}
