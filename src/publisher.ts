/**
 * From a caller's data to an accepted message: checks, encodes, sends, and turns what the backend says into one of three endings:
 * a receipt, `NotAcceptedError`, `OutcomeUnknownError`. Nothing that fails here has had any effect before the send.
 */
import type { Adapter, Delivery, PublishOutcome } from './adapter.js'
import type { Clock } from './clock.js'
import { type Encoded, encode } from './codec.js'
import { Draft } from './draft.js'
import { checkSignal, durationMs, invalid, optionsOf } from './duration.js'
import { BusError, NotAcceptedError, OutcomeUnknownError, PublishBatchError, toBusError } from './errors.js'
import { createIdSource } from './id.js'
import type { Ledger } from './ledger.js'
import {
  CONTENT_HEADER,
  checkHeaders,
  checkIdentifier,
  type Headers,
  type Outgoing,
  VERSION_HEADER,
  withHeaders,
} from './message.js'
import type { BatchEntry, PublishOptions } from './message-bus.js'
import type { Receipt } from './receipt.js'
import { checkSubject } from './subject.js'
import { assertSupported } from './support.js'
import { type Address, Topic } from './topic.js'

const DEFAULT_TIMEOUT_MS = 5000
const NO_OPTIONS: PublishOptions = {}

export class Publisher {
  /** A new message id. */
  readonly nextId: () => string
  readonly #adapter: Adapter
  readonly #assertOpen: () => void

  /** @param assertOpen throws `BUS_CLOSED` when nothing may be published */
  constructor(adapter: Adapter, clock: Clock, assertOpen: () => void) {
    this.#adapter = adapter
    this.#assertOpen = assertOpen
    this.nextId = createIdSource(() => clock.now())
  }

  publish(to: string | Address, data: unknown, options: PublishOptions = NO_OPTIONS): Promise<Receipt> {
    if (typeof to !== 'string') return this.#publishTyped(to, data, options)
    try {
      const timeoutMs = timeoutOf(options)
      return this.#publishOne(this.#outgoing(to, data, options), timeoutMs, options.signal)
    } catch (thrown) {
      return Promise.reject(refused(thrown))
    }
  }

  async #publishTyped(to: Address, data: unknown, options: PublishOptions): Promise<Receipt> {
    return this.#publishOne(await this.#prepareOne(to, data, options), timeoutOf(options), options.signal)
  }

  /** Awaits only when it must: a backend in this process answers at once, and a promise less is a tenth of a publish. */
  #publishOne(message: Outgoing, timeoutMs: number, signal: AbortSignal | undefined): Promise<Receipt> {
    const outcomes = this.#send([message], timeoutMs, signal)
    if (outcomes instanceof Promise) return outcomes.then(([outcome]) => receiptOf(this.#end(message, outcome)))
    const end = this.#end(message, outcomes[0])
    return end instanceof BusError ? Promise.reject(end) : Promise.resolve(end)
  }

  async publishBatch(
    entries: readonly BatchEntry[],
    options: PublishOptions = NO_OPTIONS,
  ): Promise<readonly Receipt[]> {
    const messages = await this.#prepareAll(entries, options)
    if (messages.length === 0) return []
    const outcomes = await this.#send(messages, timeoutOf(options), options.signal)
    const ends = messages.map((message, at) => this.#end(message, outcomes[at]))
    const receipts: Receipt[] = []
    for (const end of ends) {
      if (end instanceof BusError) throw new PublishBatchError(end, ends)
      receipts.push(end)
    }
    return receipts
  }

  /** Sends a message that busbar itself made. */
  async store(message: Outgoing): Promise<Receipt> {
    const outcomes = await this.#send([message], DEFAULT_TIMEOUT_MS)
    return receiptOf(this.#end(message, outcomes[0]))
  }

  /** As `store`, together with the settlement of the delivery that it is the dead letter of. */
  async bury(ledger: Ledger, delivery: Delivery, letter: Outgoing): Promise<Receipt> {
    return receiptOf(this.#end(letter, await ledger.bury(delivery, letter, DEFAULT_TIMEOUT_MS)))
  }

  /** Checked and encoded, for a transaction that publishes it. */
  async prepare(to: string | Address, data: unknown, options: PublishOptions): Promise<Outgoing> {
    if (optionsOf('options', options).delay !== undefined)
      throw invalid('delay', options.delay, 'left out in a transaction')
    return this.#prepareOne(to, data, options)
  }

  async #prepareOne(to: string | Address, data: unknown, options: PublishOptions): Promise<Outgoing> {
    const [message] = await this.#prepareAll([{ to, data, options }], options)
    if (message === undefined) throw new NotAcceptedError('BUS_INVALID_MESSAGE', '[bus] nothing to publish')
    return message
  }

  /** Every entry is good before any is sent. */
  async #prepareAll(entries: readonly BatchEntry[], options: PublishOptions): Promise<Outgoing[]> {
    try {
      timeoutOf(options)
      const messages: Outgoing[] = []
      for (const entry of entries) {
        const { to, data, options: own = NO_OPTIONS } = optionsOf('entry', entry) as BatchEntry
        optionsOf('options', own)
        messages.push(typeof to === 'string' ? this.#outgoing(to, data, own) : await this.#typed(to, data, own))
      }
      return messages
    } catch (thrown) {
      throw refused(thrown)
    }
  }

  async #typed(to: Address, data: unknown, options: PublishOptions): Promise<Outgoing> {
    const topic = to?.topic
    if (!(topic instanceof Topic))
      throw new BusError('BUS_INVALID_SUBJECT', '[bus] publish to a subject, or to topic.at({ … })')
    // Encoded before anything is awaited: what the caller changes later is not published (JSN-5).
    const message = this.#outgoing(to.subject, data, options, topic.version)
    await topic.validate(data)
    return message
  }

  #outgoing(to: string, data: unknown, options: PublishOptions, version = 1): Outgoing {
    this.#assertOpen()
    const subject = checkSubject(to)
    const isFresh = options.id === undefined
    const id = options.id === undefined ? this.nextId() : checkIdentifier('id', options.id)
    const key = options.key === undefined ? undefined : checkIdentifier('key', options.key)
    const checked = checkHeaders(options.headers)
    const delayMs = this.#delayMs(options)
    const encoded = encode(data)
    const headers = addOwnHeaders(checked, encoded, version)
    return new Draft({ id, isFresh, subject, key, headers, delayMs }, encoded)
  }

  #delayMs(options: PublishOptions): number {
    const delayMs = options.delay === undefined ? 0 : durationMs('delay', options.delay)
    if (delayMs > 0) assertSupported(this.#adapter, 'delayedPublish')
    return delayMs
  }

  /** Never throws for what the backend says of a message. */
  #send(
    messages: readonly Outgoing[],
    timeoutMs: number,
    signal?: AbortSignal,
  ): readonly PublishOutcome[] | Promise<readonly PublishOutcome[]> {
    if (signal?.aborted === true) return messages.map(() => notSent)
    try {
      const outcomes = this.#adapter.publish(messages, timeoutMs)
      if (!(outcomes instanceof Promise)) return outcomes
      const known = outcomes.catch((thrown: unknown) => this.#inDoubt(messages, thrown))
      return signal === undefined ? known : this.#orAborted(known, messages, signal)
    } catch (thrown) {
      return this.#inDoubt(messages, thrown)
    }
  }

  /** A port that fails as a whole leaves every message in doubt, unless it was closed and sent nothing. */
  #inDoubt(messages: readonly Outgoing[], thrown: unknown): readonly PublishOutcome[] {
    const error = toBusError(thrown, 'BUS_UNAVAILABLE', `[${this.#adapter.name}] publish failed`)
    const status = error.code === 'BUS_CLOSED' ? 'rejected' : 'unknown'
    return messages.map(() => ({ status, error }))
  }

  #orAborted(
    known: Promise<readonly PublishOutcome[]>,
    messages: readonly Outgoing[],
    signal: AbortSignal,
  ): Promise<readonly PublishOutcome[]> {
    return new Promise((resolve) => {
      const onAbort = (): void => {
        const text = `[${this.#adapter.name}] publish was aborted by its signal after it was sent`
        const error = new BusError('BUS_TIMEOUT', text)
        resolve(messages.map(() => ({ status: 'unknown', error })))
      }
      signal.addEventListener('abort', onAbort, { once: true })
      void known.then(resolve).finally(() => signal.removeEventListener('abort', onAbort))
    })
  }

  #end(message: Outgoing, outcome: PublishOutcome | undefined): Receipt | NotAcceptedError | OutcomeUnknownError {
    if (outcome?.status === 'accepted') {
      const { stream, sequence, duplicate } = outcome
      return { id: message.id, stream, sequence, duplicate, durability: this.#adapter.supports.durability }
    }
    if (outcome?.status === 'rejected') return NotAcceptedError.from(outcome.error)
    const silent = new BusError(
      'BUS_UNAVAILABLE',
      `[${this.#adapter.name}] the adapter gave no outcome for ${message.subject}`,
    )
    return new OutcomeUnknownError(message.id, outcome?.error ?? silent)
  }
}

function receiptOf(end: Receipt | BusError): Receipt {
  if (end instanceof BusError) throw end
  return end
}

const notSent: PublishOutcome = {
  status: 'rejected',
  error: new BusError('BUS_TIMEOUT', '[bus] publish was aborted by its signal before it was sent'),
}

/** Whatever is wrong before the send means: not accepted. */
function refused(thrown: unknown): NotAcceptedError {
  return NotAcceptedError.from(toBusError(thrown, 'BUS_INVALID_MESSAGE', '[bus] the message could not be prepared'))
}

/** Whatever else limits the waiting is checked as well: it must not fail after the send. */
function timeoutOf(options: PublishOptions): number {
  optionsOf('options', options)
  checkSignal(options.signal)
  return options.timeout === undefined ? DEFAULT_TIMEOUT_MS : durationMs('timeout', options.timeout, { min: 1 })
}

/** Readers take missing headers for JSON of version 1, so the common message travels without any. */
export function addOwnHeaders(headers: Headers, encoded: Encoded, version = 1): Headers {
  const isBytes = encoded.bytes !== undefined
  if (!isBytes && version === 1) return headers
  return withHeaders(headers, {
    ...(isBytes ? { [CONTENT_HEADER]: 'bytes' } : {}),
    ...(version === 1 ? {} : { [VERSION_HEADER]: String(version) }),
  })
}
