/** The groups of a simulated history: each message in its lane, attempt after attempt, until it is settled. */
import type { GroupRules, HistoryEvent } from '../../../testing/history/event.js'
import type { Logged } from './simulated-producers.js'

export interface World {
  readonly random: () => number
  readonly note: (file: string, at: number, event: HistoryEvent) => void
  /** What the servers will tell in the end, besides their messages. */
  readonly state: HistoryEvent[]
  /** When worker w2 is killed; what it had running then is cut off. */
  readonly killAt: number
  /** While the broker is away, acks get lost. */
  readonly cut: { readonly from: number; readonly to: number }
}

type Fate = 'done' | 'fails once' | 'fails twice' | 'fails always' | 'final' | 'returned'

/** By the ordinal of the message, modulo 25. */
const FATES: ReadonlyMap<number, Fate> = new Map([
  [1, 'fails once'],
  [4, 'fails twice'],
  [6, 'fails always'],
  [8, 'final'],
  [10, 'returned'],
])

const WORKERS = ['w1.30', 'w3.33']
/** What runs on the worker that is killed begins so shortly before. */
const CATCH_MS = 25

export function handle(world: World, rules: GroupRules, log: readonly Logged[]): void {
  const lanes = new Map<string, number>()
  for (const logged of log) {
    if (!logged.content.topic.startsWith(rules.prefix ?? '')) continue
    const lane = rules.order === 'key' ? logged.content.key : undefined
    const readyAt = logged.storedAt + 6 + world.random() * 4
    const from = Math.max(readyAt, lanes.get(lane ?? '') ?? 0)
    const overAt = new Course(world, rules, logged).run(from)
    if (lane !== undefined) lanes.set(lane, overAt + 0.5)
  }
}

/** One message in one group. */
class Course {
  readonly #world: World
  readonly #rules: GroupRules
  readonly #logged: Logged
  readonly #fate: Fate
  #isReturned = false

  constructor(world: World, rules: GroupRules, logged: Logged) {
    this.#world = world
    this.#rules = rules
    this.#logged = logged
    this.#fate = FATES.get(logged.ordinal % 25) ?? 'done'
  }

  /** @returns when it is settled */
  run(from: number): number {
    let at = from
    for (let number = 1; ; number++) {
      const { random, killAt } = this.#world
      const isCaught = at < killAt && at > killAt - CATCH_MS
      const worker = isCaught ? 'w2.31' : this.#workerAt(at)
      const tookMs = isCaught ? killAt - at + 5 : 1 + random() * 8
      this.#start(worker, at, number)
      if (isCaught && this.#isCommittedUnseen(number)) return killAt
      if (isCaught) {
        // The others are told an ack wait later.
        at = killAt + this.#rules.ack_wait_ms + random() * 10
        if (number < this.#rules.attempts) continue
        this.#bury(number)
        return at
      }
      const end = this.#end(worker, at + tookMs, number)
      if (end === 'over') return this.#afterwards(at + tookMs, number)
      if (end === 'returned') number--
      const backoffMs = this.#rules.backoff_ms[number - 1] ?? this.#rules.backoff_ms.at(-1) ?? 0
      at += tookMs + (end === 'returned' ? 2 : backoffMs + random() * 5)
    }
  }

  #workerAt(at: number): string {
    const { random, killAt } = this.#world
    const second = at < killAt ? [] : at > killAt + 70 ? ['w2.32'] : []
    const workers = [...WORKERS, ...second]
    return workers[Math.floor(random() * workers.length)] ?? 'w1.30'
  }

  #start(worker: string, at: number, attempt: number): void {
    const { id, content } = this.#logged
    this.#world.note(worker, at, { ev: 'h.start', ...this.#of(attempt), id, ...content })
  }

  /** The transaction was committed, and the process died before it could write so: then nobody is told again. */
  #isCommittedUnseen(attempt: number): boolean {
    const commits = this.#rules.transactional && this.#fate === 'done' && this.#world.random() < 0.5
    if (commits) this.#commit(attempt, 'w2.31')
    return commits
  }

  #end(worker: string, at: number, attempt: number): 'over' | 'retry' | 'returned' {
    const { note } = this.#world
    const settle = { ev: 'h.settle', ...this.#of(attempt) } as const
    if (this.#fate === 'returned' && !this.#isReturned) {
      this.#isReturned = true
      note(worker, at, { ...settle, how: 'returned' })
      return 'returned'
    }
    const fails = { 'fails once': 1, 'fails twice': 2, 'fails always': 99, final: 99, done: 0, returned: 0 }[this.#fate]
    if (attempt > fails) {
      this.#do(worker, at, attempt)
      return 'over'
    }
    const isFinal = this.#fate === 'final'
    const isDead = isFinal || attempt === this.#rules.attempts
    note(worker, at, { ...settle, how: isDead ? 'dead' : 'retry', ...(isFinal && { final: true }) })
    if (isDead) this.#bury(attempt)
    return isDead ? 'over' : 'retry'
  }

  #do(worker: string, at: number, attempt: number): void {
    if (this.#rules.transactional) this.#commit(attempt, worker)
    else this.#world.note(worker, at - 0.2, { ev: 'h.effect', ...this.#of(attempt) })
    this.#world.note(worker, at, { ev: 'h.settle', ...this.#of(attempt), how: 'done' })
  }

  #commit(attempt: number, owner: string): void {
    this.#world.state.push({ ev: 'state.effect', ...this.#of(attempt), owner })
  }

  #bury(attempts: number): void {
    this.#world.state.push({ ev: 'state.dead', group: this.#rules.group, id: this.#logged.id, attempts })
  }

  /** An ack that is lost while the broker is away: the message comes once more. Its lane has gone on by then. */
  #afterwards(at: number, attempt: number): number {
    const { cut, random } = this.#world
    const isLost = at > cut.from && at < cut.to && attempt < this.#rules.attempts && this.#fate === 'done'
    if (!isLost || this.#rules.transactional || random() < 0.5) return at
    const again = at + this.#rules.ack_wait_ms + random() * 5
    this.#start('w3.33', again, attempt + 1)
    this.#do('w3.33', again + 3, attempt + 1)
    return at
  }

  #of(attempt: number) {
    return { group: this.#rules.group, id: this.#logged.id, attempt }
  }
}
