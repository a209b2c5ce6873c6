/** Adapters that break one promise each, run for real by `main.ts`, so that the checker can be seen to notice. Never shipped. */
import type { Broken } from './broken.js'
import { acksEarly, commitsWithoutClaim, letsKeysOvertake } from './consuming.js'
import { answersLate, forgetsRows, forgetsTheWait, leavesTimers } from './ending.js'
import { insertsAfterwards, relaysAsZombie, relaysBehindLast } from './naive.js'
import {
  changesSome,
  dropsSome,
  refusesWhatItDoubts,
  repeatsWithNewIds,
  resolvesBeforeCommit,
  takesOtherContent,
} from './publishing.js'

export type { Broken } from './broken.js'

/** The first two need no server: the short form is made of them. */
export const BROKEN: readonly Broken[] = [
  dropsSome,
  takesOtherContent,
  acksEarly,
  refusesWhatItDoubts,
  repeatsWithNewIds,
  letsKeysOvertake,
  commitsWithoutClaim,
  resolvesBeforeCommit,
  relaysBehindLast,
  insertsAfterwards,
  relaysAsZombie,
  forgetsTheWait,
  answersLate,
  forgetsRows,
  leavesTimers,
  changesSome,
]

/** @param name of one of the above; undefined leaves the adapter whole */
export function brokenOf(name: string | undefined): Broken | undefined {
  const found = BROKEN.find((each) => each.name === name)
  if (found !== undefined || name === undefined) return found
  throw new Error(`no broken adapter "${name}"; there are ${BROKEN.map((each) => each.name).join(', ')}`)
}
