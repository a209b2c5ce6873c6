/**
 * Everything that listens without settling: live subscriptions, gapless readers, responders and requests. What a handler throws is
 * logged; there is nobody to give the message back to.
 */
import type { Adapter, Listening, Signal } from './adapter.js'
import type { Clock } from './clock.js'
import { encode } from './codec.js'
import { type Contract, fromSignal, ReceivedMessage } from './contract.js'
import { BusError, describeThrown } from './errors.js'
import { escapeUnits, unescapeUnits } from './escape.js'
import type { Logger } from './logger.js'
import { checkHeaders, NO_HEADERS, withHeaders } from './message.js'
import type { Stop } from './message-bus.js'
import { addOwnHeaders } from './publisher.js'
import { redact } from './redact.js'
import type { ResolvedStart } from './topology.js'

const ERROR_HEADER = 'Busbar-Error'
const UNPRINTABLE = /[^ -$&-~]/g
const MAX_ERROR_LENGTH = 500

export interface SubscriptionHost {
  readonly adapter: Adapter
  readonly clock: Clock
  readonly logger: Logger
  readonly nextId: () => string
}

type MessageHandler = (message: ReceivedMessage) => unknown

export class Subscriptions {
  readonly #host: SubscriptionHost
  readonly #stops = new Set<Stop>()
  readonly #running = new Set<Promise<void>>()

  constructor(host: SubscriptionHost) {
    this.#host = host
  }

  /** Live, at most once, handlers side by side. */
  async listen(contract: Contract, handler: MessageHandler): Promise<Stop> {
    let isStopped = false
    const hear = (signal: Signal): void => {
      // What was on its way when the subscription ended must not start a handler.
      if (isStopped) return
      this.#run(async () => handler(await contract.open(fromSignal(signal, this.#host.clock.now()))), signal)
    }
    const listenings = await Promise.all(contract.patterns.map((pattern) => this.#host.adapter.listen(pattern, hear)))
    return this.#stopper(async () => {
      isStopped = true
      await Promise.all(listenings.map((listening) => listening.stop()))
    })
  }

  /** Stored messages in order, one after the other, without a gap. */
  async follow(contract: Contract, stream: string, from: ResolvedStart, handler: MessageHandler): Promise<Stop> {
    const stopping = new AbortController()
    const messages = this.#host.adapter.read({
      stream,
      filters: contract.patterns,
      from,
      follow: true,
      signal: stopping.signal,
    })
    // Whoever publishes after this call returned is heard.
    if (messages.open !== undefined) await messages.open()
    const readAll = async (): Promise<void> => {
      for await (const stored of messages) {
        if (stopping.signal.aborted) return
        await this.#guard(async () => handler(await contract.open(stored)), stored)
      }
    }
    this.#run(readAll, { subject: contract.patterns.join(' '), id: '' })
    return this.#stopper(async () => stopping.abort())
  }

  async respond(pattern: string, handler: MessageHandler): Promise<Stop> {
    const hear = (signal: Signal, reply: ((answer: Signal) => void) | undefined): void => {
      if (reply === undefined) return
      this.#run(async () => reply(await this.#answer(signal, handler)), signal)
    }
    const listening: Listening = await this.#host.adapter.listen(pattern, hear, pattern)
    return this.#stopper(() => listening.stop())
  }

  async request(
    subject: string,
    data: unknown,
    headers: Readonly<Record<string, string>> | undefined,
    timeoutMs: number,
  ): Promise<unknown> {
    const answer = await this.#host.adapter.request(this.signal(subject, data, headers), timeoutMs)
    const error = answer.headers[ERROR_HEADER]
    if (error === undefined) return this.#received(answer).data
    throw new BusError('BUS_UNAVAILABLE', `[bus] the responder of ${subject} failed: ${unescapeUnits(error)}`, {
      retryable: false,
    })
  }

  /** A live message, checked and encoded. */
  signal(subject: string, data: unknown, headers: Readonly<Record<string, string>> | undefined): Signal {
    const encoded = encode(data)
    const own = addOwnHeaders(checkHeaders(headers), encoded)
    const payload = encoded.bytes ?? Buffer.from(encoded.text ?? '')
    return { subject, id: this.#host.nextId(), key: undefined, headers: own, payload }
  }

  /** Ends them all. Resolves when running handler calls have ended. */
  async stop(): Promise<void> {
    await Promise.all([...this.#stops].map((stop) => stop()))
    await Promise.all(this.#running)
  }

  async #answer(request: Signal, handler: MessageHandler): Promise<Signal> {
    try {
      const answer: unknown = await handler(this.#received(request))
      return this.signal(request.subject, answer ?? null, undefined)
    } catch (thrown) {
      this.#warn(thrown, request)
      const error = escapeUnits(errorText(thrown), UNPRINTABLE)
      return { ...request, headers: withHeaders(NO_HEADERS, { [ERROR_HEADER]: error }), payload: new Uint8Array() }
    }
  }

  #received(signal: Signal): ReceivedMessage {
    return new ReceivedMessage(fromSignal(signal, this.#host.clock.now()))
  }

  #run(task: () => Promise<unknown>, about: { readonly subject: string; readonly id: string }): void {
    const running = this.#guard(task, about).finally(() => this.#running.delete(running))
    this.#running.add(running)
  }

  async #guard(task: () => Promise<unknown>, about: { readonly subject: string; readonly id: string }): Promise<void> {
    try {
      await task()
    } catch (thrown) {
      this.#warn(thrown, about)
    }
  }

  #warn(thrown: unknown, { subject, id }: { readonly subject: string; readonly id: string }): void {
    this.#host.logger.log('warn', 'a subscription handler failed', { subject, id, error: describeThrown(thrown) })
  }

  #stopper(end: () => Promise<void>): Stop {
    const stop: Stop = async () => {
      if (this.#stops.delete(stop)) await end()
    }
    this.#stops.add(stop)
    return stop
  }
}

/** Cut with a margin first, so that a huge text costs nothing, then redacted, then cut: half a secret must not remain. */
function errorText(thrown: unknown): string {
  return redact(describeThrown(thrown).slice(0, 4 * MAX_ERROR_LENGTH)).slice(0, MAX_ERROR_LENGTH)
}
