/**
 * What is killed during a chaos run and when, and how long it takes until work goes on. Does the killing through functions it is given.
 */
import type { Call } from './remote.js'

/** Something that a handler got done downstream. */
export interface Work {
  readonly call: Call
  /** How many worker processes were started before the one that did it. */
  readonly worker: number
}

export interface Accident {
  readonly what: 'server' | 'worker'
  /** Such as `25 % published`. */
  readonly when: string
  /** Until it was running again. */
  downMs?: number
  /** Until the first airport was saved, and the first page sent, that is work of the time after the kill. */
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
   * @param isAfter whether work cannot have been done, or not have been there to do, before the kill
   * @param kill resolves when what was killed is running again
   */
  start({ what, when }: Accident, isAfter: Pending['isAfter'], kill: () => Promise<void>): void {
    const accident: Accident = { what, when }
    const startedAt = performance.now()
    this.all.push(accident)
    this.#pending.add({ accident, startedAt, isAfter })
    this.#say(`${what} killed with -9 at ${when}`)
    const done = kill().then(() => {
      accident.downMs = performance.now() - startedAt
    })
    // It is awaited later, and its failure is news then.
    done.catch(() => {})
    this.#underWay.push(done)
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

  /** Resolves when everything killed is running again; rejects when something is not. */
  async settled(): Promise<void> {
    await Promise.all(this.#underWay)
  }
}
