/**
 * One handler call: its context, its time limit, and the single outcome that it can have. What follows from the outcome is the worker
 * pool's business.
 *
 *   running --- handler returns ------------> succeeded
 *      |------- handler throws, rejects ----> failed
 *      |------- time limit, stop deadline --> aborted: the signal fires, and whatever the handler does later is ignored
 *
 * A handler that used `tx` has succeeded when its transaction is committed; in every other case it is rolled back.
 */
import type { Delivery } from './adapter.js'
import type { ReceivedMessage } from './contract.js'
import type { Expiring } from './deadlines.js'
import { BusError } from './errors.js'
import type { StoredMessage } from './message.js'
import type { Begun, Transaction } from './transaction.js'
import type { BatchContext, HandlerContext } from './worker-pool-options.js'

/** A delivery in the hands of a pool. */
export class Held {
  readonly message: StoredMessage
  readonly received: ReceivedMessage
  /** The attempt that its handler is told; fixed once it has started, though the backend may count on while the handler runs. */
  attempt: number
  /** What to settle: the newest delivery, when the backend sent the message again meanwhile. */
  delivery: Delivery
  /** While its handler runs. */
  running: Attempt | undefined = undefined
  /** Somebody else settled it: it must not start. */
  isGone = false

  constructor(delivery: Delivery, received: ReceivedMessage) {
    this.delivery = delivery
    this.message = delivery.message
    this.attempt = delivery.attempt
    this.received = received
  }
}

/** Hears of the end of an attempt, exactly once, unless it was aborted. */
export interface AttemptOwner {
  readonly attempts: number
  /** @param failures what the handler said of single messages of its batch */
  succeeded(attempt: Attempt, failures: ReadonlyMap<Held, unknown> | undefined): void
  failed(attempt: Attempt, error: unknown, failures: ReadonlyMap<Held, unknown> | undefined): void
  working(held: readonly Held[]): void
  /** A transaction that settles them. Throws `BUS_UNSUPPORTED`. */
  begin(held: readonly Held[]): Begun
}

export class Attempt implements HandlerContext, BatchContext<ReceivedMessage>, Expiring {
  readonly held: readonly Held[]
  readonly #owner: AttemptOwner
  #controller: AbortController | undefined
  #failures: Map<Held, unknown> | undefined
  #begun: Begun | undefined
  #over = false
  expiresAt = 0
  expiresBefore: Expiring | undefined
  expiresAfter: Expiring | undefined

  constructor(owner: AttemptOwner, held: readonly Held[]) {
    this.#owner = owner
    this.held = held
  }

  /** Calls the handler now. The owner may hear of the outcome before this returns. */
  run(call: (attempt: Attempt) => unknown): void {
    try {
      const result = call(this)
      if (result instanceof Promise) this.#follow(result)
      else if (isThenable(result)) this.#follow(Promise.resolve(result))
      else this.#succeed()
    } catch (thrown) {
      this.#fail(thrown)
    }
  }

  /** @returns false when it was over already */
  abort(reason: BusError): boolean {
    if (this.#over) return false
    this.#over = true
    this.#abortController().abort(reason)
    void this.#begun?.work.rollback()
    return true
  }

  get tx(): Transaction {
    this.#begun ??= this.#owner.begin(this.held)
    return this.#begun.tx
  }

  get attempt(): number {
    return this.held[0]?.attempt ?? 0
  }

  get lastAttempt(): boolean {
    return this.attempt >= this.#owner.attempts
  }

  get signal(): AbortSignal {
    return this.#abortController().signal
  }

  attemptOf(message: ReceivedMessage): number {
    return this.#find(message).attempt
  }

  working(): void {
    if (!this.#over) this.#owner.working(this.held)
  }

  fail(message: ReceivedMessage, error: unknown): void {
    this.#failures ??= new Map()
    this.#failures.set(this.#find(message), error)
  }

  #find(message: ReceivedMessage): Held {
    const found = this.held.find((held) => held.received === message)
    if (found !== undefined) return found
    throw new BusError(
      'BUS_INVALID_OPTION',
      '[bus] this message is not part of the batch; pass one that the handler was given',
    )
  }

  #abortController(): AbortController {
    this.#controller ??= new AbortController()
    return this.#controller
  }

  #follow(result: Promise<unknown>): void {
    result.then(
      () => this.#succeed(),
      (thrown: unknown) => this.#fail(thrown),
    )
  }

  #succeed(): void {
    const work = this.#begun?.work
    if (work?.isUsed !== true) return this.#end(undefined)
    const failed = [...(this.#failures?.keys() ?? [])].map((held) => held.delivery)
    work.commit(failed).then(
      () => this.#end(undefined),
      (thrown: unknown) => this.#fail(thrown),
    )
  }

  #fail(error: unknown): void {
    const work = this.#begun?.work
    if (work?.isSettledBefore === true) return this.#end(undefined)
    void work?.rollback()
    this.#end({ error })
  }

  #end(failure: { readonly error: unknown } | undefined): void {
    if (this.#over) return
    this.#over = true
    if (failure === undefined) this.#owner.succeeded(this, this.#failures)
    else this.#owner.failed(this, failure.error, this.#failures)
  }
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof value === 'object' && value !== null && typeof Reflect.get(value, 'then') === 'function'
}
