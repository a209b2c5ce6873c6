/**
 * The state of the link to the servers, as the client's status events tell it, and why it is not there. It also does what the client
 * leaves to others: cuts a link that hangs, and moves away from a server that is about to stop.
 *
 *   up --- lost, or no answer to pings ---> down --- the client reconnects ---> up
 *   up, down --- the client gives up, which it should not ---> closed
 */
import { errors, type NatsConnection, type Status } from '@nats-io/transport-node'
import type { AdapterHost } from '../../../src/adapter.js'
import type { BusError } from '../../../src/errors.js'
import { clientFailure } from '../failure.js'
import { cutLink } from './client-internals.js'
import type { Pace } from './pace.js'
import type { Settings } from './settings.js'

/** All clients of a server are told at once; they spread over this time. */
const MOVE_WITHIN_MS = 1000
/** Own probing may be refused; that is an answer, not a fault. */
const PROBES = '$SYS.'

export interface LinkEvents {
  connected(): void
  lost(): void
  denied(subject: string, operation: 'publish' | 'subscription', error: BusError): void
}

export interface LinkParts {
  readonly settings: Settings
  readonly host: AdapterHost
  readonly pace: Pace
  readonly events: LinkEvents
  /** Fires when the end of the link is wanted. */
  readonly closing: AbortSignal
}

export class Link {
  readonly #nats: NatsConnection
  readonly #settings: Settings
  readonly #host: AdapterHost
  readonly #pace: Pace
  readonly #events: LinkEvents
  readonly #closing: AbortSignal
  /** When it was lost, by the wall clock; undefined while it is up. */
  #lostAt: number | undefined
  #reason = ''
  #leaving = ''
  #isClosed = false

  constructor(nats: NatsConnection, parts: LinkParts) {
    this.#nats = nats
    this.#settings = parts.settings
    this.#host = parts.host
    this.#pace = parts.pace
    this.#events = parts.events
    this.#closing = parts.closing
    void this.#follow()
    void nats.closed().then((error) => this.#closed(error))
  }

  get isUp(): boolean {
    return this.#lostAt === undefined && !this.#isClosed
  }

  /** Why it is down, or about to be. */
  get notes(): readonly string[] {
    const notes: string[] = []
    if (this.#isClosed) notes.push(`the client gave up for good (${this.#reason}); create a new bus`)
    else if (this.#lostAt !== undefined) {
      const since = new Date(this.#lostAt).toISOString()
      notes.push(`not connected since ${since}, ${this.#pace.attempts} attempts so far: ${this.#reason}`)
    }
    if (this.#leaving !== '') notes.push(this.#leaving)
    if (this.#pace.trouble !== '') notes.push(this.#pace.trouble)
    return notes
  }

  async #follow(): Promise<void> {
    for await (const status of this.#nats.status()) {
      try {
        this.#on(status)
      } catch (thrown) {
        this.#log('error', 'a connection event could not be handled', { error: this.#clean(thrown) })
      }
    }
  }

  #on(status: Status): void {
    if (status.type === 'disconnect') this.#down('the link broke, or the server ended it')
    else if (status.type === 'reconnecting') this.#pace.attempted()
    else if (status.type === 'reconnect') this.#up(status.server)
    else if (status.type === 'staleConnection') this.#stale()
    else if (status.type === 'error') this.#heard(status.error)
    else if (status.type === 'ldm') this.#lameDuck(status.server)
  }

  #down(reason: string): void {
    if (this.#lostAt !== undefined) return
    this.#lostAt = this.#host.clock.now()
    if (this.#reason === '') this.#reason = reason
    this.#log('warn', 'connection lost', { server: this.#nats.getServer(), reason: this.#reason })
    this.#events.lost()
  }

  #up(server: string): void {
    const forMs = this.#lostAt === undefined ? 0 : this.#host.clock.now() - this.#lostAt
    this.#lostAt = undefined
    this.#reason = ''
    this.#leaving = ''
    this.#log('info', 'connected again', { server, forMs, attempts: this.#pace.attempts })
    this.#pace.connected()
    this.#events.connected()
  }

  #stale(): void {
    this.#down('the server does not answer pings')
    cutLink(this.#nats)
  }

  #heard(error: Error): void {
    if (error instanceof errors.PermissionViolationError) {
      const { subject, operation } = error
      if (subject.startsWith(PROBES)) return
      const what = operation === 'publish' ? 'publish to' : 'subscribe to'
      this.#events.denied(subject, operation, clientFailure(`${what} ${subject}`, error))
      return
    }
    const reason = `the server says: ${this.#clean(error)}`
    if (reason !== this.#reason) this.#log('error', reason)
    this.#reason = reason
  }

  /** Stays when there is no other server: this one goes on for a while. */
  #lameDuck(server: string): void {
    if (this.#leaving !== '') return
    const others = this.#settings.followsGossip ? (this.#nats.info?.connect_urls ?? []) : []
    const canMove = others.length > 0 || this.#settings.servers.addresses.length > 1
    this.#leaving = `server ${server} is about to stop${canMove ? '' : ', and no other is known'}`
    this.#log('warn', this.#leaving)
    if (!canMove) return
    const { clock, random } = this.#host
    clock.timer(random() * MOVE_WITHIN_MS, () => this.#move(server), { ref: false })
  }

  #move(server: string): void {
    if (this.#closing.aborted || !this.isUp || this.#nats.getServer() !== server) return
    this.#reason = `moved away from ${server}, which is about to stop`
    this.#nats.reconnect().catch(() => {})
  }

  #closed(error: unknown): void {
    if (this.#closing.aborted) return
    this.#isClosed = true
    if (error instanceof Error) this.#reason = this.#clean(error)
    this.#log('error', 'the client gave up for good; create a new bus', { reason: this.#reason })
    this.#events.lost()
  }

  #clean(thrown: unknown): string {
    return this.#settings.credentials.clean(thrown).message
  }

  #log(level: 'info' | 'warn' | 'error', message: string, fields: Readonly<Record<string, unknown>> = {}): void {
    this.#host.logger.log(level, `[nats] ${message}`, fields)
  }
}
