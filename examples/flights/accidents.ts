/**
 * What is hit during a chaos run and when, and how long it takes until work goes on. Does the hitting through functions it is given.
 */
import type { Call } from './remote.js'

/** Something that a handler got done downstream. */
export interface Work {
  readonly call: Call
  /** How many worker processes were started before the one that did it. */
  readonly worker: number
}

export interface Accident {
  /** Such as `server`. */
  readonly what: string
  /** Such as `killed with -9`. */
  readonly how: string
  /** Such as `25 % published`. */
  readonly when: string
  /** Until it was running again. */
  downMs?: number
  /** Until the first airport was saved, and the first page sent, that is work of the time after it. */
  savedMs?: number
  pagedMs?: number
}

interface Pending {
  readonly accident: Accident
  readonly startedAt: number
  readonly isAfter: (work: Work) => boolean
}

export class Accidents {
  readonly all: Accident[] = []
  readonly #pending = new Set<Pending>()
  readonly #underWay: Promise<void>[] = []
  readonly #say: (text: string) => void

  constructor(say: (text: string) => void) {
    this.#say = say
  }

  /**
   * @param isAfter whether work cannot have been done, or not have been there to do, before the accident
   * @param cause resolves when what was hit is running again
   * @returns when that is
   */
  start({ what, how, when }: Accident, isAfter: Pending['isAfter'], cause: () => Promise<void>): Promise<void> {
    const accident: Accident = { what, how, when }
    const startedAt = performance.now()
    this.all.push(accident)
    this.#pending.add({ accident, startedAt, isAfter })
    this.#say(`${what} ${how} at ${when}`)
    const done = cause().then(() => {
      accident.downMs = performance.now() - startedAt
    })
    // It is awaited later, and its failure is news then.
    done.catch(() => {})
    this.#underWay.push(done)
    return done
  }

  observe(work: Work): void {
    for (const pending of this.#pending) {
      const { accident, startedAt, isAfter } = pending
      if (!isAfter(work)) continue
      const sinceMs = performance.now() - startedAt
      if (work.call.to === 'save') accident.savedMs ??= sinceMs
      if (work.call.to === 'page') accident.pagedMs ??= sinceMs
      if (accident.savedMs !== undefined && accident.pagedMs !== undefined) this.#pending.delete(pending)
    }
  }

  /** Resolves when everything is running again; rejects when something is not. */
  async settled(): Promise<void> {
    await Promise.all(this.#underWay)
  }
}
