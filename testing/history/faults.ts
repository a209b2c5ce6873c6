/** When something was broken, and which processes it may have touched. It tells what may be excused, never what must be. */
import type { Attempt, Fault, Moment } from './records.js'
import type { Source } from './source.js'

export class Faults {
  readonly all: readonly Fault[]
  /** Processes that stopped without a word: killed, whether a line says so or not. */
  readonly killed: readonly Source[]
  readonly #names: ReadonlySet<string>

  constructor(faults: readonly Fault[], heals: readonly Moment[], sources: readonly Source[]) {
    const healedAt = ({ beganAt }: Fault): number =>
      heals.find(({ at }) => at >= beganAt)?.at ?? Number.POSITIVE_INFINITY
    this.all = faults.map((fault) => ({ ...fault, endedAt: Math.min(fault.endedAt, healedAt(fault)) }))
    this.killed = sources.filter(({ closedAt }) => closedAt === undefined)
    this.#names = new Set(sources.map(({ proc }) => proc))
  }

  /** Nothing was broken and no process was killed: then nothing is excused. */
  get areNone(): boolean {
    return this.all.length === 0 && this.killed.length === 0
  }

  /**
   * Whether one lay between two moments. A fault of one process touches what that process does; one of anything else touches all.
   * @param processes left out when any process may have been the one that mattered
   * @param afterMs for how long a fault goes on working after its end
   */
  overlap(from: number, to: number, processes?: readonly string[], afterMs = 0): boolean {
    return this.all.some(({ target, beganAt, endedAt }) => {
      if (beganAt > to || endedAt + afterMs < from) return false
      return processes === undefined || !this.#names.has(target) || processes.includes(target)
    })
  }

  /** Whether a process was paused, cut off or killed on purpose between two moments: only faults that name it. */
  held(process: string, from: number, to: number): boolean {
    return this.all.some((fault) => fault.target === process && fault.beganAt <= to && fault.endedAt >= from)
  }

  /** Whether any process may have died before a moment: what it had taken and not begun comes again as a later attempt. */
  killedBefore(moment: number): boolean {
    return this.killed.some(({ lastAt }) => lastAt <= moment)
  }
}

/**
 * Whether the end of its process kept an attempt's outcome from the bus, by some moment. Of a killed process only its last line is known: it
 * died then or later. What it settled longer than an ack wait before that line had been told, so its death excuses nothing. A process that
 * ends in order gives up what does not end in time, a little before it is closed.
 */
export function endedWith(attempt: Attempt, moment: number): boolean {
  const { source, settledAt, how, group } = attempt
  const isOpen = how === undefined
  const ackWaitMs = group.rules?.ack_wait_ms ?? 0
  if (source.closedAt !== undefined) return isOpen && source.closedAt - ackWaitMs <= moment
  return source.lastAt <= moment && (isOpen || source.lastAt - settledAt <= ackWaitMs)
}
