/**
 * Handlers that do what `fateOf` says, and write into the history what they were handed and what they did. On a ledger a group's effects are
 * rows that commit with the settlement.
 */
import { setTimeout as wait } from 'node:timers/promises'
import { Reject } from '../../../src/errors.js'
import type { Message } from '../../../src/message.js'
import type { MessageBus } from '../../../src/message-bus.js'
import type { HandlerContext } from '../../../src/worker-pool-options.js'
import type { GroupRules } from '../../../testing/history/event.js'
import type { HistoryFile } from '../../../testing/history/recorder.js'
import { type Fate, fateOf, hashOf, headerHash, ID_HEADER, poisonOf } from './content.js'
import { EFFECTS, POISONED, type Poison, STREAM } from './setting.js'

/** How many messages take a moment, and how long: kills must meet handlers that run. */
const SLOW_ONE_IN = 8
const SLOW_MS = 5

export interface WorkerOptions {
  /** Tells whose effect a row is: unique among all processes that ever were. */
  readonly owner: string
  readonly concurrency: number
}

export class Worker {
  handled = 0
  dawdleMs = 0
  readonly #bus: MessageBus
  readonly #history: HistoryFile
  readonly #options: WorkerOptions

  constructor(bus: MessageBus, history: HistoryFile, options: WorkerOptions) {
    this.#bus = bus
    this.#history = history
    this.#options = options
  }

  async work(group: GroupRules): Promise<void> {
    const { ack_wait_ms, attempts, backoff_ms, order, prefix, timeout_ms } = group
    const consumer = { name: group.group, stream: STREAM, ackWait: ack_wait_ms, order } as const
    const filter = prefix === undefined ? {} : { filter: `${prefix}>` }
    await this.#bus.consume({ ...consumer, ...filter }, (message, context) => this.#handle(group, message, context), {
      concurrency: this.#options.concurrency,
      // No jitter, so that the checker can hold the pool to its gaps.
      retry: { attempts, backoff: [...backoff_ms], jitter: 0 },
      ...(timeout_ms !== undefined && { timeout: timeout_ms }),
    })
  }

  async #handle(group: GroupRules, message: Message, context: HandlerContext): Promise<void> {
    const { attempt } = context
    const id = message.headers[ID_HEADER] ?? message.id
    const at = { group: group.group, id, attempt }
    this.#history.note({ ev: 'h.start', ...at, seq: message.sequence, ...contentOf(message) })
    const isAborted = await this.#takeTime(context.signal)
    if (isAborted) {
      this.#history.note({ ev: 'h.settle', ...at, how: context.lastAttempt ? 'dead' : 'retry' })
      throw new Error('it was told to stop')
    }
    if (group.prefix === POISONED) await suffer(poisonOf(id))
    const failure = failureOf(fateOf(group.group, id), attempt)
    if (failure !== undefined) {
      const isFinal = failure instanceof Reject
      const how = isFinal || context.lastAttempt ? 'dead' : 'retry'
      this.#history.note({ ev: 'h.settle', ...at, how, ...(isFinal && { final: true }) })
      throw failure
    }
    if (group.transactional) {
      const insert = `insert into ${EFFECTS}.effects (consumer, id, attempt, owner) values ($1, $2, $3, $4)`
      await context.tx.query(insert, [group.group, id, attempt, this.#options.owner])
    } else this.#history.note({ ev: 'h.effect', ...at })
    this.handled++
    this.#history.note({ ev: 'h.settle', ...at, how: 'done' })
  }

  /** @returns whether it was told to stop meanwhile, as a handler that is worth its name obeys */
  async #takeTime(signal: AbortSignal): Promise<boolean> {
    if (this.dawdleMs === 0 && this.handled % SLOW_ONE_IN !== 0) return false
    await wait(this.dawdleMs || SLOW_MS, undefined, { signal }).catch(() => {})
    return signal.aborted
  }
}

/** Does not come back, or ends everything. */
async function suffer(poison: Poison | undefined): Promise<void> {
  if (poison === 'kills') process.kill(process.pid, 'SIGKILL')
  if (poison !== undefined) await new Promise(() => {})
}

function failureOf(fate: Fate, attempt: number): Error | undefined {
  if (fate === 'final') return new Reject('it can never be done')
  const fails = { done: 0, 'fails once': 1, 'fails twice': 2, 'fails always': Number.POSITIVE_INFINITY }[fate]
  return attempt <= fails ? new Error(`it fails at attempt ${attempt}`) : undefined
}

function contentOf({ subject, key, data, headers }: Message) {
  const payload = Buffer.from(JSON.stringify(data))
  return { topic: subject, ...(key !== undefined && { key }), hash: hashOf(payload), hdr_hash: headerHash(headers) }
}
