/** What a rule is, and how it says what it found: each kind of finding is counted, and the smallest witness of it is kept. */
import type { History } from './history.js'
import type { Place } from './records.js'

export type RuleCode = 'R1' | 'R2' | 'R3' | 'R4' | 'R5' | 'R6' | 'R7' | 'R8' | 'R9' | 'R10'

/** What proves a finding. Lines as `file:line`. */
export interface Witness {
  readonly ids: readonly string[]
  readonly lines: readonly string[]
  readonly text: string
}

export interface Finding {
  /** A few words that stay the same: exemptions name it. */
  readonly kind: string
  readonly count: number
  readonly witness: Witness
}

/** What a rule has to say of a history. */
export interface Ruling {
  /** How much was there to be judged: what "0 of n" is 0 of. */
  readonly checked: number
  readonly findings: readonly Finding[]
  readonly notes: readonly string[]
  /** Why it could not be judged, wholly or in part. A finding counts nevertheless. */
  readonly skipped?: string | undefined
}

export interface RuleSettings {
  /** How late an operation may end after its time limit, ms: machines stall. */
  readonly lateMs: number
  /** `all`: the stream keeps everything that the ledger keeps. `tail`: it may have let go of its oldest messages. */
  readonly retained: 'all' | 'tail'
}

export interface Rule {
  readonly code: RuleCode
  readonly name: string
  /** Reads the history and changes nothing. */
  readonly judge: (history: History, settings: RuleSettings) => Ruling
}

export class Findings {
  readonly #byKind = new Map<string, { count: number; witness: Witness }>()

  /** @param places what to look at, in the order to look */
  add(kind: string, ids: readonly string[], places: readonly Place[], text: string): void {
    const known = this.#byKind.get(kind)
    if (known !== undefined && known.witness.lines.length <= places.length) known.count++
    else {
      const lines = places.map(({ source, line }) => `${source.file}:${line}`)
      this.#byKind.set(kind, { count: (known?.count ?? 0) + 1, witness: { ids, lines, text } })
    }
  }

  list(): Finding[] {
    return [...this.#byKind].map(([kind, { count, witness }]) => ({ kind, count, witness }))
  }
}

/** The line that says how a publish or an attempt ended, for a witness. */
export function endOf({ source, line }: Place, endLine: number): Place {
  return { source, line: endLine === 0 ? line : endLine }
}
