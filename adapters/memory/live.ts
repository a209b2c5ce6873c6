/**
 * Who listens now. Messages pass by: each listener gets each one at most once, listeners of one `share` get it once between them, and
 * nothing is kept.
 */
import type { Listener, Signal } from '../../src/adapter.js'
import type { Clock } from '../../src/clock.js'
import { SubjectIndex } from '../../src/subject-index.js'

interface Listening {
  readonly listener: Listener
  readonly share: string | undefined
}

export class Live {
  readonly #index = new SubjectIndex<Listening>()
  readonly #clock: Clock
  #turn = 0

  constructor(clock: Clock) {
    this.#clock = clock
  }

  get isEmpty(): boolean {
    return this.#index.size === 0
  }

  /** @returns stops it */
  listen(pattern: string, listener: Listener, share: string | undefined): () => void {
    return this.#index.add(pattern, { listener, share })
  }

  /** Hands the signal on in a turn of its own. @returns how many listeners will hear it */
  emit(signal: Signal, reply?: (answer: Signal) => void): number {
    const hearing = this.#choose(this.#index.match(signal.subject))
    if (hearing.length > 0) {
      this.#clock.defer(() => {
        for (const { listener } of hearing) listener(signal, reply)
      })
    }
    return hearing.length
  }

  #choose(all: readonly Listening[]): readonly Listening[] {
    if (!all.some((each) => each.share !== undefined)) return all
    const shares = new Map<string, Listening[]>()
    for (const each of all)
      if (each.share !== undefined) shares.set(each.share, [...(shares.get(each.share) ?? []), each])
    const chosen = [...shares.values()].map((sharing) => sharing[this.#turn++ % sharing.length])
    return [...all.filter((each) => each.share === undefined), ...chosen.filter((each) => each !== undefined)]
  }
}
