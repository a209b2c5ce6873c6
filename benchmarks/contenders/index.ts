/** All contenders, in the order in which each round runs them. */
import type { Contender } from '../contender.js'
import { backlogLarge, backlogSmall } from './backlog.js'
import { bound } from './bound.js'
import { dualContenders } from './dual.js'
import { memory, memoryKeyed } from './memory.js'
import { natsContenders } from './nats.js'
import { subjectIndex, trieCache } from './subjects.js'

export const contenders: readonly Contender[] = [
  bound,
  memory,
  memoryKeyed,
  trieCache,
  subjectIndex,
  backlogSmall,
  backlogLarge,
  ...natsContenders,
  ...dualContenders,
]
