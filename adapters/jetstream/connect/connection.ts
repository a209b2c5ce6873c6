/**
 * The connection to the servers: kept for as long as the adapter is open, found again whenever it is lost. It knows nothing of streams.
 *
 *   new --- open() ---> connected <--- the client reconnects ---> lost
 *                           +----------------- close() -------------+---> closed
 */
import { type JetStreamManager, jetstreamManager } from '@nats-io/jetstream'
import { createInbox, type NatsConnection, type ServerInfo } from '@nats-io/transport-node'
import type { AdapterHost } from '../../../src/adapter.js'
import { withTimeLimit } from '../../../src/clock.js'
import { BusError, describeThrown } from '../../../src/errors.js'
import { endLink } from './client-internals.js'
import { dial } from './dial.js'
import { Link, type LinkEvents, type LinkParts } from './link.js'
import type { JetStreamOptions } from './options.js'
import { Pace } from './pace.js'
import { assertServer, securityNote } from './server-version.js'
import { resolveSettings, type Settings } from './settings.js'

const FLUSH_MS = 1000
/** Refused subjects that are logged; a misconfigured user would fill the log. */
const MOST_DENIALS = 100

type OnDenied = (subject: string, operation: 'publish' | 'subscription', error: Error) => void

export class Connection {
  readonly #settings: Settings
  readonly #closing = new AbortController()
  readonly #onConnected = new Set<() => void>()
  readonly #onLost = new Set<() => void>()
  readonly #onDenied = new Set<OnDenied>()
  readonly #denials = new Set<string>()
  #host: AdapterHost | undefined
  #nats: NatsConnection | undefined
  #jsm: JetStreamManager | undefined
  #link: Link | undefined
  #server: ServerInfo | undefined
  #closed: Promise<void> | undefined

  /** Throws `BUS_CONFIG` or `BUS_INVALID_OPTION`. */
  constructor(options: JetStreamOptions) {
    this.#settings = resolveSettings(options)
  }

  /** Rejects with `BUS_UNAVAILABLE`, `BUS_AUTH`, `BUS_CONFIG` or `BUS_UNSUPPORTED`, after `connectTimeout` at the latest. */
  async open(host: AdapterHost): Promise<void> {
    this.#host = host
    const { credentials, tls, servers } = this.#settings
    for (const file of await credentials.exposedFiles())
      host.logger.log('warn', `[nats] ${file} holds a secret and others may read it. Run: chmod 600 ${file}`)
    await tls?.check()
    const pace = new Pace(host, credentials, servers.addresses.length)
    const nats = await dial(this.#settings, host, pace, this.closing)
    pace.connected()
    this.#nats = nats
    this.#server = nats.info
    // At once, or a loss that follows closely would go unheard.
    this.#link = new Link(nats, this.#linkParts(host, pace))
    try {
      this.#checkVersion(host)
      this.#jsm = await jetstreamManager(nats, { checkAPI: false })
    } catch (thrown) {
      await this.close()
      throw thrown
    }
    host.logger.log('info', '[nats] connected', { server: nats.getServer(), version: this.server.version })
  }

  /** What the bus lent. */
  get host(): AdapterHost {
    if (this.#host === undefined) throw notOpen()
    return this.#host
  }

  /** The client. Throws `BUS_CLOSED` unless open. */
  get nats(): NatsConnection {
    if (this.#nats === undefined || this.#closing.signal.aborted) throw notOpen()
    return this.#nats
  }

  /** Streams and consumers. Throws `BUS_CLOSED` unless open. */
  get jsm(): JetStreamManager {
    if (this.#jsm === undefined || this.#closing.signal.aborted) throw notOpen()
    return this.#jsm
  }

  /** What the server said of itself; while the connection is lost, what the last one said. */
  get server(): ServerInfo {
    this.#server = this.nats.info ?? this.#server
    if (this.#server === undefined) throw notOpen()
    return this.#server
  }

  get isConnected(): boolean {
    return this.#link?.isUp === true && !this.#closing.signal.aborted
  }

  /** Fires when `close()` is called. */
  get closing(): AbortSignal {
    return this.#closing.signal
  }

  /** A new subject for replies, under the private prefix. */
  inbox(): string {
    return createInbox(this.#settings.inboxPrefix)
  }

  /** Calls back after each reconnect, when subscriptions are back. @returns stops it */
  onConnected(callback: () => void): () => void {
    this.#onConnected.add(callback)
    return () => void this.#onConnected.delete(callback)
  }

  /** Calls back when the connection is lost. @returns stops it */
  onLost(callback: () => void): () => void {
    this.#onLost.add(callback)
    return () => void this.#onLost.delete(callback)
  }

  /** Calls back when the server refuses a subject; it says so apart from the call in question, which goes unanswered (JSP-3). @returns stops it */
  onDenied(callback: OnDenied): () => void {
    this.#onDenied.add(callback)
    return () => void this.#onDenied.delete(callback)
  }

  /** Why it is not connected, or what else a person should know. */
  get notes(): readonly string[] {
    return this.#link?.notes ?? ['not connected yet']
  }

  /** Idempotent, never rejects. */
  close(): Promise<void> {
    this.#closed ??= this.#close()
    return this.#closed
  }

  async #close(): Promise<void> {
    const isConnected = this.isConnected
    this.#closing.abort()
    const nats = this.#nats
    if (nats === undefined || this.#host === undefined) return
    // A flush that nobody answers would wait for ever.
    if (isConnected) await withTimeLimit(nats.flush(), FLUSH_MS, this.#host.clock).catch(() => {})
    await nats.close().catch(() => {})
    endLink(nats)
  }

  #linkParts(host: AdapterHost, pace: Pace): LinkParts {
    const events: LinkEvents = {
      connected: () => this.#call(this.#onConnected),
      lost: () => this.#call(this.#onLost),
      denied: (subject, operation, error) => this.#denied(subject, operation, error),
    }
    return { settings: this.#settings, host, pace, events, closing: this.closing }
  }

  #checkVersion({ logger }: AdapterHost): void {
    const { version } = this.server
    assertServer(version)
    const note = securityNote(version)
    if (note !== undefined) logger.log('warn', `[nats] ${note}`)
  }

  #denied(subject: string, operation: 'publish' | 'subscription', error: BusError): void {
    const denial = `${operation} ${subject}`
    if (!this.#denials.has(denial) && this.#denials.size < MOST_DENIALS) {
      this.#denials.add(denial)
      this.host.logger.log('error', error.message)
    }
    this.#call(this.#onDenied, subject, operation, error)
  }

  /** One listener's fault is not another's, nor the connection's. */
  #call<Arguments extends readonly unknown[]>(
    callbacks: ReadonlySet<(...given: Arguments) => void>,
    ...given: Arguments
  ): void {
    for (const callback of [...callbacks]) {
      try {
        callback(...given)
      } catch (thrown) {
        this.host.logger.log('error', '[nats] a listener of the connection failed', { error: describeThrown(thrown) })
      }
    }
  }
}

function notOpen(): BusError {
  return new BusError('BUS_CLOSED', '[nats] the adapter is not open')
}
