/** Small histories written by hand: one process a file, one event a millisecond unless a time is given. */
import type { GroupRules, HistoryEvent, Line } from '../../../testing/history/event.js'
import type { CheckOptions, Report, RuleCode, RuleReport } from '../../../testing/history/index.js'
import { check } from '../../../testing/history/index.js'
import { historyOf } from '../../../testing/history/read.js'
import { found } from './entries.js'
import { type Entry, linesOf } from './simulation.js'

export const CONTENT = { topic: 'orders.a', key: 'k', hash: 'hash', hdr_hash: 'headers' }

export const RULES: GroupRules = {
  group: 'g',
  order: 'none',
  attempts: 3,
  backoff_ms: [10],
  transactional: false,
  ack_wait_ms: 100,
}

type Step = HistoryEvent | readonly [at: number, event: HistoryEvent]

/** Writes down what happens in order; `run` closes the processes that were not killed. */
export class Script {
  readonly #entries: Entry[] = []
  readonly #killed = new Set<string>()
  #now = 0

  constructor(rules: Partial<GroupRules> = {}, windowMs = 1000) {
    const groups = [{ ...RULES, ...rules }]
    this.in('control.1', { ev: 'config', adapter: 'hand', groups, dedup_window_ms: windowMs, versions: {} })
  }

  in(file: string, ...steps: readonly Step[]): this {
    for (const step of steps) {
      const [at, event] = 'ev' in step ? [this.#now + 1, step] : step
      this.#now = Math.max(this.#now, at)
      this.#entries.push({ file, at, event })
    }
    return this
  }

  publish(id: string, end?: 'ok' | 'fail' | 'unknown', op = id, content: Partial<typeof CONTENT> = {}): this {
    this.in('p.2', { ev: 'pub.invoke', op, id, bytes: 1, timeout_ms: 50, ...CONTENT, ...content })
    if (end === 'ok') return this.in('p.2', { ev: 'pub.ok', op })
    return end === undefined ? this : this.in('p.2', { ev: `pub.${end}`, op, code: 'X' })
  }

  start(file: string, id: string, attempt = 1): this {
    return this.in(file, { ev: 'h.start', group: 'g', id, attempt, ...CONTENT })
  }

  effect(file: string, id: string, attempt = 1): this {
    return this.in(file, { ev: 'h.effect', group: 'g', id, attempt })
  }

  settle(file: string, id: string, how: 'done' | 'retry' | 'dead' | 'returned', attempt = 1): this {
    return this.in(file, { ev: 'h.settle', group: 'g', id, attempt, how })
  }

  /** A fault that lasts `ms` from now on. */
  fault(target: string, ms = 1): this {
    const id = `${this.#now}`
    this.in('control.1', { ev: 'fault.begin', id, kind: 'made up', target })
    return this.in('control.1', [this.#now + ms, { ev: 'fault.end', id }])
  }

  wait(ms: number): this {
    this.#now += ms
    return this
  }

  killed(file: string): this {
    this.#killed.add(file)
    return this
  }

  /** All that happened so far, and its end. The script can go on afterwards. */
  lines(): Map<string, Line[]> {
    const left = { pending: 0, in_flight: 0 }
    const end: readonly HistoryEvent[] = [
      { ev: 'quiesce', drained: true, bound_ms: 1 },
      { ev: 'state.group', group: 'g', ...left },
    ]
    const atEnd = (file: string, event: HistoryEvent, at: number): Entry => ({ file, at: this.#now + at, event })
    const files = [...new Set(this.#entries.map(({ file }) => file))].filter((file) => !this.#killed.has(file))
    const closes = files.map((file) => atEnd(file, { ev: 'close' }, 3))
    return linesOf([...this.#entries, ...end.map((event, at) => atEnd('control.1', event, at + 1)), ...closes])
  }

  run(options: CheckOptions = {}): Report {
    return check(historyOf(this.lines()), { minAccepted: 0, ...options })
  }

  /** What a rule found: its verdict, and the kinds of its findings. */
  judged(code: RuleCode, options: CheckOptions = {}): readonly string[] {
    const { verdict, findings } = ruleOf(this.run(options), code)
    return [verdict, ...findings.map(({ kind }) => kind)]
  }
}

export function ruleOf({ rules }: Report, code: RuleCode): RuleReport {
  return found(rules.find(({ rule }) => rule === code))
}
