/** All contenders, in the order in which each round runs them. Whoever adds one adds it here. */
import type { Contender } from '../contender.js'
import { backlogLarge, backlogSmall } from './backlog.js'
import { bound } from './bound.js'
import { bullmqContenders } from './bullmq.js'
import { dualContenders } from './dual.js'
import { everyBackend } from './every-backend.js'
import { memory, memoryKeyed } from './memory.js'
import { memoryPeers } from './memory-peers.js'
import { natsContenders } from './nats.js'
import { subjectIndex, trieCache } from './subjects.js'

export const contenders: readonly Contender[] = [
  bound,
  memory,
  memoryKeyed,
  ...memoryPeers,
  trieCache,
  subjectIndex,
  backlogSmall,
  backlogLarge,
  ...natsContenders,
  ...dualContenders,
  ...bullmqContenders,
  ...everyBackend,
]
