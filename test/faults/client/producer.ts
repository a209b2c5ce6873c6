/**
 * Publishes at a fixed rate, whatever becomes of it, and writes each publish and its outcome into the history. What is unknown is repeated
 * with the same id, what is rejected is not: both are what the application is told to do.
 */
import { BusError, OutcomeUnknownError } from '../../../src/errors.js'
import type { MessageBus } from '../../../src/message-bus.js'
import type { HistoryFile } from '../../../testing/history/recorder.js'
import { randomOf } from '../../../testing/run-number.js'
import { contradiction, type Draft, draftOf, poisonedDraft } from './content.js'
import type { Poison } from './setting.js'

const TICK_MS = 10
const TIMEOUT_MS = 5000
/** A transaction has no time limit of its own: a connection, a statement, and the question whether it was committed have theirs. */
const TRANSACTION_MS = 20_000
/** More are not begun: they would only wait. */
const MAX_PENDING = 256
const REPEATS = 5
/** Of the publishes of a ledger, through a transaction; a third of these is rolled back by the application itself. */
const TRANSACTIONS = 0.05
const ROLLED_BACK = 1 / 3
/** Of the messages that were accepted, those that are published once more, and those whose id is then used for something else. */
const REPEATED = 0.03
const CONTRADICTED = 0.02
/** How many harmless messages follow one that is not. */
const BEHIND_POISON = 3

type Outcome = 'ok' | 'fail' | 'unknown'

class RolledBack extends Error {}

export class Producer {
  accepted = 0
  readonly #bus: MessageBus
  readonly #history: HistoryFile
  readonly #name: string
  readonly #random: () => number
  readonly #hasLedger: boolean
  readonly #pending = new Set<Promise<void>>()
  #ops = 0
  #timer: NodeJS.Timeout | undefined
  #isHushed = false

  /** @param name unique among all processes that ever were: part of ids */
  constructor(bus: MessageBus, history: HistoryFile, options: { name: string; seed: number; hasLedger: boolean }) {
    this.#bus = bus
    this.#history = history
    this.#name = options.name
    this.#random = randomOf(options.seed)
    this.#hasLedger = options.hasLedger
  }

  produce(perSecond: number): void {
    clearInterval(this.#timer)
    this.#isHushed = false
    const startedAt = performance.now()
    let begun = 0
    this.#timer = setInterval(() => {
      const due = Math.floor(((performance.now() - startedAt) * perSecond) / 1000)
      while (begun < due && this.#pending.size < MAX_PENDING) {
        begun++
        this.#begin()
      }
      // What could not be begun is not made up for: the rate is a rate, not a backlog.
      begun = due
    }, TICK_MS)
  }

  /** Resolves when every publish has ended. */
  async hush(): Promise<void> {
    clearInterval(this.#timer)
    this.#isHushed = true
    while (this.#pending.size > 0) await Promise.all(this.#pending)
  }

  /** The harmless ones have its key and another one. Resolves when all are accepted, or not. */
  async poison(how: Poison): Promise<void> {
    const op = `${++this.#ops}`
    const id = `${this.#name}-${op}`
    const behind = Array.from({ length: BEHIND_POISON }, (_, at) => [`${id}-same${at}`, `${id}-other${at}`] as const)
    const bad = poisonedDraft(`${id}-${how}`, how)
    const harmless = behind.flatMap(([same, other]) => [poisonedDraft(same, how), poisonedDraft(other, 'harmless')])
    for (const [at, draft] of [bad, ...harmless].entries()) await this.#publish(draft, `${op}.poison.${at}`)
  }

  #begin(): void {
    const op = `${++this.#ops}`
    const draft = draftOf(`${this.#name}-${op}`, this.#random)
    const inTransaction = this.#hasLedger && this.#random() < TRANSACTIONS
    const work = inTransaction ? this.#transact(draft, op, this.#random() < ROLLED_BACK) : this.#insist(draft, op)
    const pending = work.finally(() => this.#pending.delete(pending))
    this.#pending.add(pending)
  }

  /** Some ids come twice, as repetitions and as mistakes of the application. */
  async #insist(draft: Draft, op: string): Promise<void> {
    const drawn = this.#random()
    const isAccepted = await this.#publish(draft, op)
    if (!isAccepted || this.#isHushed) return
    if (drawn < REPEATED) await this.#attempt(draft, `${op}.again`)
    else if (drawn < REPEATED + CONTRADICTED) await this.#attempt(contradiction(draft), `${op}.other`)
  }

  /** @returns whether it was accepted */
  async #publish(draft: Draft, op: string): Promise<boolean> {
    for (let repeat = 0; repeat < REPEATS; repeat++) {
      const outcome = await this.#attempt(draft, repeat === 0 ? op : `${op}.${repeat}`)
      if (outcome !== 'unknown') return outcome === 'ok'
      // An application that ends does not wait for ever either.
      if (this.#isHushed && repeat > 0) return false
    }
    return false
  }

  #attempt(draft: Draft, op: string): Promise<Outcome> {
    return this.#record(draft, op, {}, async () => {
      const { id, key, headers } = draft
      const options = { id, headers, timeout: TIMEOUT_MS, ...(key !== undefined && { key }) }
      const { sequence, duplicate } = await this.#bus.publish(draft.topic, draft.data, options)
      return { seq: sequence, duplicate }
    })
  }

  async #transact(draft: Draft, op: string, isRolledBack: boolean): Promise<void> {
    await this.#record(draft, op, { tx: true }, async () => {
      await this.#bus.transaction(async (tx) => {
        const { id, key, headers } = draft
        await tx.publish(draft.topic, draft.data, { id, headers, ...(key !== undefined && { key }) })
        if (isRolledBack) throw new RolledBack()
      })
      return {}
    })
  }

  async #record(
    draft: Draft,
    op: string,
    more: { tx?: true },
    call: () => Promise<{ seq?: number; duplicate?: boolean }>,
  ): Promise<Outcome> {
    const { id, bytes, content } = draft
    const timeout_ms = more.tx === true ? TRANSACTION_MS : TIMEOUT_MS
    await this.#history.invoke({ ev: 'pub.invoke', op, id, bytes, timeout_ms, ...more, ...content })
    try {
      const receipt = await call()
      this.accepted++
      this.#history.note({ ev: 'pub.ok', op, ...receipt })
      return 'ok'
    } catch (thrown) {
      const outcome = mayBeStored(thrown) ? 'unknown' : 'fail'
      this.#history.note({ ev: `pub.${outcome}`, op, code: codeOf(thrown) })
      return outcome
    }
  }
}

/** A transaction has no error of its own for this: it says that it must not simply be repeated. */
function mayBeStored(thrown: unknown): boolean {
  if (thrown instanceof OutcomeUnknownError) return true
  return thrown instanceof BusError && thrown.code === 'BUS_TIMEOUT' && !thrown.retryable
}

function codeOf(thrown: unknown): string {
  if (thrown instanceof RolledBack) return 'ROLLED_BACK'
  return thrown instanceof BusError ? thrown.code : `${thrown}`.slice(0, 200)
}
