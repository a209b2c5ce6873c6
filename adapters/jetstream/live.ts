/**
 * Messages as they pass by, over core NATS: at most once, nothing stored. Published messages are heard too, with the headers that they
 * are stored with. The reply subject of such a message is where its publisher waits for the server's acknowledgement; whoever answered
 * there would tell the publisher that it is stored (JS-P1). So only what says that it is a request can be answered.
 *
 *   Busbar-Request   1: a request, on a subject that no stream takes; its sender waits for one answer
 */
import { errors, type Msg, nuid } from '@nats-io/transport-node'
import type { Listener, Listening, Signal } from '../../src/adapter.js'
import { withTimeLimit } from '../../src/clock.js'
import { type BusError, describeThrown } from '../../src/errors.js'
import { type Headers, withHeaders } from '../../src/message.js'
import { encodeToken } from '../../src/subject.js'
import type { Connection } from './connect/connection.js'
import { clientFailure, failure } from './failure.js'
import { type HeaderBlock, headerBlock, headerText, toSignal } from './wire.js'

const REQUEST_HEADER = 'Busbar-Request'
const NOT_STORED = { stream: undefined, dedupId: undefined }
/** The server has so long to say that it knows of the end of a subscription. */
const STOP_MS = 2000

export class Live {
  readonly #connection: Connection
  readonly #listenings = new Set<Hearing>()

  constructor(connection: Connection) {
    this.#connection = connection
  }

  /** Throws when it cannot be sent now: a link that is down is not waited for (JS-R3). */
  signal(signal: Signal): void {
    const { subject, payload } = signal
    const headers = this.#prepare(`signal to ${subject}`, signal)
    this.#connection.nats.publish(subject, payload, { headers: headers.asHeaders() })
  }

  /**
   * Resolves when the server knows of it. The client restores it after each reconnect.
   * @param share listeners of one share hear each message once between them
   */
  async listen(pattern: string, listener: Listener, share?: string): Promise<Listening> {
    const what = `listen to ${pattern}`
    this.#assertConnected(what)
    const hearing = new Hearing(this.#connection, pattern, share, (message) => this.#hand(message, listener))
    this.#listenings.add(hearing)
    try {
      await hearing.established()
    } catch (thrown) {
      hearing.end()
      this.#listenings.delete(hearing)
      throw clientFailure(what, thrown)
    }
    const stop = async (): Promise<void> => {
      if (this.#listenings.delete(hearing)) await hearing.stop()
    }
    return { stop }
  }

  async request(signal: Signal, timeoutMs: number): Promise<Signal> {
    const { subject, payload } = signal
    const what = `request to ${subject}`
    const marked = { ...signal, headers: withHeaders(signal.headers, { [REQUEST_HEADER]: '1' }) }
    const headers = this.#prepare(what, marked)
    const { nats, closing } = this.#connection
    try {
      const answer = await nats.request(subject, payload, { timeout: timeoutMs, headers: headers.asHeaders() })
      return this.#toAnswer(what, answer)
    } catch (thrown) {
      if (closing.aborted) throw failure(what, 'BUS_CLOSED', 'the adapter was closed before an answer came', thrown)
      throw requestFailure(what, timeoutMs, thrown)
    }
  }

  /** Nothing is heard any more. */
  close(): void {
    for (const hearing of this.#listenings) hearing.end()
    this.#listenings.clear()
  }

  /** The header block of a message that can be sent now. The server ends the connection over a message that is too large. */
  #prepare(what: string, signal: Signal): HeaderBlock {
    const headers = headerBlock(signal, NOT_STORED)
    const bytes = signal.payload.byteLength + headers.byteLength
    const most = this.#connection.server.max_payload
    if (bytes > most) throw failure(what, 'BUS_TOO_LARGE', `${bytes} bytes are more than the ${most} of the server`)
    this.#assertConnected(what)
    return headers
  }

  #assertConnected(what: string): void {
    void this.#connection.nats
    if (!this.#connection.isConnected) throw failure(what, 'BUS_UNAVAILABLE', 'not connected')
  }

  /** Runs inside the client, which a throw would harm. */
  #hand(message: Msg, listener: Listener): void {
    try {
      const signal = toSignal(message, nuid.next())
      const isRequest = signal.headers[REQUEST_HEADER] !== undefined
      if (!isRequest) listener(signal, undefined)
      else listener({ ...signal, headers: withoutMark(signal.headers) }, this.#replyTo(message.reply))
    } catch (thrown) {
      this.#log('a listener failed', message.subject, thrown)
    }
  }

  #replyTo(reply: string | undefined): ((answer: Signal) => void) | undefined {
    // Whoever asks must not make us answer to the server itself, with rights that it has not (SUB-3).
    if (reply === undefined || reply === '' || reply.startsWith('$')) return undefined
    let isAnswered = false
    return (answer) => {
      if (isAnswered) return
      isAnswered = true
      this.#answer(reply, answer)
    }
  }

  /** Whoever answers cannot do anything about an answer that cannot be sent; the one who asked will time out. */
  #answer(reply: string, answer: Signal): void {
    try {
      const headers = this.#prepare(`answer to ${answer.subject}`, answer)
      this.#connection.nats.publish(reply, answer.payload, { headers: headers.asHeaders() })
    } catch (thrown) {
      this.#log('an answer could not be sent', answer.subject, thrown)
    }
  }

  /** A stream that takes the subject acknowledges the request as a publish, and is faster than any responder. */
  #toAnswer(what: string, answer: Msg): Signal {
    const stream = headerText(answer) === '' ? acknowledgingStream(answer.string()) : undefined
    if (stream !== undefined) throw failure(what, 'BUS_CONFLICT', `stream ${stream} has stored it. Use another subject`)
    return toSignal(answer, nuid.next())
  }

  #log(message: string, subject: string, thrown: unknown): void {
    this.#connection.host.logger.log('warn', message, { subject, error: describeThrown(thrown) })
  }
}

/** One subscription of the client. */
class Hearing {
  readonly #connection: Connection
  readonly #subscription: { unsubscribe(): void }
  #isOver = false
  #isEstablished = false
  #denied: Error | undefined

  constructor(connection: Connection, pattern: string, share: string | undefined, hear: (message: Msg) => void) {
    this.#connection = connection
    this.#subscription = connection.nats.subscribe(pattern, {
      ...(share === undefined ? {} : { queue: encodeToken(share) }),
      callback: (error, message) => {
        if (error !== null) this.#ended(pattern, error)
        else if (!this.#isOver) hear(message)
      },
    })
  }

  /** A server tells of a missing permission before it answers the flush. */
  async established(): Promise<void> {
    await this.#connection.nats.flush()
    if (this.#denied !== undefined) throw this.#denied
    this.#isEstablished = true
  }

  /** Permissions may also be taken away later. */
  #ended(pattern: string, error: Error): void {
    this.#denied = error
    const { logger } = this.#connection.host
    if (this.#isEstablished)
      logger.log('error', 'a subscription was ended by the server', { pattern, error: describeThrown(error) })
  }

  end(): void {
    this.#isOver = true
    this.#subscription.unsubscribe()
  }

  /** When it resolves, the server hands requests to somebody else. */
  async stop(): Promise<void> {
    this.end()
    const { isConnected, nats, host } = this.#connection
    if (isConnected)
      await withTimeLimit(
        nats.flush().catch(() => {}),
        STOP_MS,
        host.clock,
      )
  }
}

/** The stream whose acknowledgement of a publish this is; undefined for anything else. */
function acknowledgingStream(text: string): string | undefined {
  try {
    const said: { readonly stream?: unknown; readonly seq?: unknown } | null = JSON.parse(text)
    return typeof said?.stream === 'string' && typeof said.seq === 'number' ? said.stream : undefined
  } catch {
    return undefined
  }
}

function withoutMark(headers: Headers): Headers {
  const others: Record<string, string> = Object.create(null)
  for (const name in headers) if (name !== REQUEST_HEADER) others[name] = headers[name] ?? ''
  return others
}

function requestFailure(what: string, timeoutMs: number, thrown: unknown): BusError {
  const cause = thrown instanceof Error && thrown.cause !== undefined ? thrown.cause : thrown
  if (cause instanceof errors.NoRespondersError)
    return failure(what, 'BUS_NOT_FOUND', 'nobody responds to this subject. Start a responder first', thrown)
  if (cause instanceof errors.TimeoutError)
    return failure(what, 'BUS_TIMEOUT', `no answer within ${timeoutMs} ms`, thrown)
  return clientFailure(what, thrown)
}
