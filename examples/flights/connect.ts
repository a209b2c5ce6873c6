/** The bus of a chaos run, for its parent and its worker process alike. */
import { dual } from '../../adapters/dual/index.js' // busbar/dual
import { jetstream } from '../../adapters/jetstream/index.js' // busbar/nats
import { createBus, type Logger, type MessageBus } from '../../src/index.js' // busbar
import { streams } from './consumers.js'

/** JetStream alone, or behind a ledger. */
export interface Servers {
  readonly nats: string
  readonly database?: string
}

/** What a ledger has sent to JetStream again, by itself. */
export interface Repair {
  readonly stream: string
  /** The missing, and what came after them and had to come after them again. */
  readonly messages: number
}

/** A worker process may be started while NATS is away. */
const CONNECT_WITHIN = '60s'
/** A run is over before the default of ten seconds has passed a few times. */
const COMPARE_EVERY = '1s'

export async function connectTo(
  { nats, database }: Servers,
  onRepaired: (repair: Repair) => void,
): Promise<MessageBus> {
  const inner = jetstream({ servers: nats, connectTimeout: CONNECT_WITHIN })
  const adapter = database === undefined ? inner : dual({ inner, connection: database, compareEvery: COMPARE_EVERY })
  const bus = createBus({ adapter, streams, logger: repairsOnly(onRepaired) })
  await bus.connect()
  return bus
}

/** What is repaired without being asked for is said in the log, and nowhere else: of a stream that lacked some, and of one that was gone. */
function repairsOnly(onRepaired: (repair: Repair) => void): Logger {
  return {
    log: (_level, _text, { stream, republished, messages = republished } = {}) => {
      if (messages !== undefined) onRepaired({ stream: String(stream), messages: Number(messages) })
    },
  }
}
