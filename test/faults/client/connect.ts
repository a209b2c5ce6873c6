/** The bus of a client process, as its setting says. */
import { dual } from '../../../adapters/dual/index.js'
import { jetstream } from '../../../adapters/jetstream/index.js'
import { memory } from '../../../adapters/memory/index.js'
import type { Adapter } from '../../../src/adapter.js'
import { createBus } from '../../../src/bus.js'
import type { Clock } from '../../../src/clock.js'
import type { Logger } from '../../../src/logger.js'
import type { MessageBus } from '../../../src/message-bus.js'
import type { Broken } from '../broken/index.js'
import { type Backend, STREAM, SUBJECTS } from './setting.js'

export interface Surroundings {
  readonly logger: Logger
  readonly clock: Clock
  /** Makes the adapter break a promise on purpose. */
  readonly broken: Broken | undefined
}

export function busOf(backend: Backend, { logger, clock, broken }: Surroundings): MessageBus {
  const replicas = backend.replicas ?? 1
  return createBus({
    adapter: broken === undefined ? adapterOf(backend) : broken.breaks(adapterOf(backend), backend),
    streams: [
      { name: STREAM, subjects: SUBJECTS, replicas },
      { name: 'dead', subjects: ['dead.>'], replicas },
    ],
    logger,
    clock,
  })
}

function adapterOf(backend: Backend): Adapter {
  const { adapter, connection = '', schema, leaseMs, pooler } = backend
  if (adapter === 'memory') return memory()
  if (adapter === 'nats') return natsOf(backend)
  return dual({
    inner: natsOf(backend),
    connection,
    compareEvery: '2s',
    ...(schema !== undefined && { schema }),
    ...(leaseMs !== undefined && { lease: leaseMs }),
    ...(pooler !== undefined && { pooler }),
  })
}

function natsOf({ servers, syncAlways }: Backend): Adapter {
  return jetstream({ servers: [...servers], ...(syncAlways === true && { syncInterval: 'always' }) })
}
