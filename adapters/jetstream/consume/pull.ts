/**
 * Pull requests of one consumer: asks for as many messages as there is credit for, notices when the server no longer answers, and always
 * knows why nothing comes (JS-C6). It hands over raw messages; what they mean is `feed.ts`.
 *
 * A request stays open until it is filled or `EXPIRES_MS` have passed, and is answered by a heartbeat each second, so a lost consumer,
 * leader or link shows after `SILENCE_MS` (JS-F4, JS-R4). Whatever cannot be trusted any more is dropped together with its reply subject:
 * a server serves no request whose reply subject nobody listens to. Requests are filled in turns, and a message does not tell which one
 * it fills; only their sum is counted.
 */
import type { Msg, Subscription } from '@nats-io/transport-node'
import { type Timer, withTimeLimit } from '../../../src/clock.js'
import type { Connection } from '../connect/connection.js'
import { headerText } from '../wire.js'

const NS_PER_MS = 1_000_000
const EXPIRES_MS = 5000
const HEARTBEAT_MS = 1000
/** Two missed heartbeats and some slack. */
const SILENCE_MS = 2500
/** One missed heartbeat: the process stood still, or the link, and what comes then may have been handed out since the last one. */
const STANDSTILL_MS = 1500
/** What has lain in the socket is read within so long. */
const READ_MS = 100
/** Pause before asking again after the server refused. */
const RETRY_MS = 250
/** A server that is silent must not hold up a stop. */
const DRAIN_MS = 1000
/** Bytes of one request, so that large messages cannot flood the client (JS-F3, JS-F7). */
const REQUEST_BYTES = 16 * 1024 * 1024
/** Statuses of a server that has stopped to lead the consumer. */
const NEW_LEADER = /leadership change|server shutdown/i

export interface PullListener {
  /**
   * Called from inside the client: must not throw and must not run anybody's code (JS-F5).
   * @param since when the server may have handed it out at the earliest, by the monotonic clock
   */
  onMessage(message: Msg, since: number): void
  /** The consumer or its stream may be gone, or stand elsewhere: somebody should look. */
  onDoubt(reason: string): void
  /** Nothing is asked for any more, and what was on its way is lost: resume when that is dealt with. Default: `onDoubt`, and resume. */
  onSilence?(): void
}

export class Pull {
  readonly #connection: Connection
  readonly #listener: PullListener
  readonly #subject: string
  readonly #requestBytes: number
  readonly #stopListening: () => void
  #subscription: Subscription | undefined
  #inbox = ''
  #requests = 0
  /** Granted and not asked for yet. */
  #credit = 0
  /** Asked for and not received yet. */
  #open = 0
  #heardAt = 0
  /** Of what is read until `readBy`. */
  #lainSince = 0
  #readBy = 0
  #idleReason = ''
  #watch: Timer | undefined
  #retry: Timer | undefined
  #isPaused = true
  #isAsking = false

  /** @param maxMessageBytes of the stream: a request that allows less than one message would never be filled */
  constructor(
    connection: Connection,
    listener: PullListener,
    consumer: { readonly stream: string; readonly name: string },
    maxMessageBytes: number,
  ) {
    this.#connection = connection
    this.#listener = listener
    this.#subject = `$JS.API.CONSUMER.MSG.NEXT.${consumer.stream}.${consumer.name}`
    this.#requestBytes = Math.max(REQUEST_BYTES, 2 * maxMessageBytes)
    this.#stopListening = connection.onDenied((subject) => {
      if (subject === this.#subject) this.#denied()
    })
  }

  /** Why nothing comes, when something should; empty while all is well. */
  get idleReason(): string {
    return this.#connection.isConnected ? this.#idleReason : 'not connected'
  }

  grant(count: number): void {
    this.#credit += count
    this.#ask()
  }

  /** Asks for what was granted, from now on. */
  resume(): void {
    this.#isPaused = false
    this.#ask()
  }

  close(): void {
    this.#stopListening()
  }

  /** Asks for nothing more. Resolves when nothing more can come; until then messages are still handed over. */
  async pause(): Promise<void> {
    const subscription = this.#forget()
    // Draining tells the server first, so what is on its way still arrives and can be handed back.
    if (!this.#connection.isConnected || subscription === undefined) return subscription?.unsubscribe()
    await withTimeLimit(
      subscription.drain().catch(() => {}),
      DRAIN_MS,
      this.#connection.host.clock,
    )
  }

  /** Asks for nothing more, and nothing comes: what was asked for over a lost link, or of a server that is silent, is void. */
  drop(): void {
    this.#forget()?.unsubscribe()
  }

  /** Asks anew for everything that did not come: after a reconnect. */
  restart(): void {
    this.drop()
    this.resume()
  }

  #forget(): Subscription | undefined {
    this.#isPaused = true
    this.#watch?.cancel()
    this.#retry?.cancel()
    this.#watch = undefined
    this.#retry = undefined
    this.#credit += this.#open
    this.#open = 0
    const subscription = this.#subscription
    this.#subscription = undefined
    return subscription
  }

  /** Requests cost a server more than messages do, so a new one is worth a quarter of the open ones. Half of them was a tenth slower. */
  #ask(): void {
    if (this.#isPaused || this.#isAsking || this.#credit === 0 || this.#credit * 4 < this.#open) return
    if (this.#retry !== undefined || !this.#connection.isConnected) return
    this.#isAsking = true
    // Grants of one turn of the event loop become one request.
    queueMicrotask(() => {
      this.#isAsking = false
      if (!this.#isPaused && this.#credit > 0 && this.#connection.isConnected) this.#request()
    })
  }

  #request(): void {
    const count = this.#credit
    // Nothing was asked for, so nothing had to be heard, and nothing lies in the socket.
    if (this.#open === 0) this.#heardAt = this.#connection.host.clock.monotonic()
    this.#credit = 0
    this.#open += count
    this.#subscribe()
    const request = {
      batch: count,
      expires: EXPIRES_MS * NS_PER_MS,
      idle_heartbeat: HEARTBEAT_MS * NS_PER_MS,
      max_bytes: this.#requestBytes,
    }
    this.#connection.nats.publish(this.#subject, JSON.stringify(request), {
      reply: `${this.#inbox}.${count}.${this.#requests++}`,
    })
    if (this.#watch === undefined) this.#watchOver()
  }

  #subscribe(): void {
    if (this.#subscription !== undefined) return
    this.#inbox = this.#connection.inbox()
    this.#subscription = this.#connection.nats.subscribe(`${this.#inbox}.>`, {
      callback: (error, message) => {
        if (error === null) this.#receive(message)
        else this.#listener.onDoubt(error.message)
      },
    })
  }

  #receive(message: Msg): void {
    const now = this.#connection.host.clock.monotonic()
    if (now - this.#heardAt > STANDSTILL_MS) [this.#lainSince, this.#readBy] = [this.#heardAt, now + READ_MS]
    this.#heardAt = now
    // A status comes on the reply subject of its request, a message on its own.
    if (message.subject.startsWith(this.#inbox)) return this.#status(message)
    this.#idleReason = ''
    if (this.#open > 0) this.#open--
    this.#listener.onMessage(message, now < this.#readBy ? this.#lainSince : now)
  }

  #status(message: Msg): void {
    const status = parseStatus(headerText(message))
    if (status.code === 100) {
      this.#idleReason = ''
      return
    }
    const gotSomething = this.#ended(message.subject, status)
    // 404 and 408 end a request that found nothing; nothing is wrong.
    if (status.code === 404 || status.code === 408) {
      this.#idleReason = ''
      return this.#ask()
    }
    // So does a request that reached its bytes; one that got nothing has met a message that is larger than all it allows.
    if (/maxbytes|batch completed/i.test(status.text) && gotSomething) return this.#ask()
    this.#idleReason = `${status.code} ${status.text}`
    this.#listener.onDoubt(this.#idleReason)
    if (status.code === 503 || NEW_LEADER.test(status.text)) this.#startOver()
    this.#askLater()
  }

  /**
   * The consumer has another leader, or none: what the old one handed out may be lost between the nodes, although this link stands (JS-R4).
   * Nothing newer may come before that is dealt with, and no other request is worth anything either.
   */
  #startOver(): void {
    if (this.#isPaused || this.#listener.onSilence === undefined) return
    this.drop()
    this.#listener.onSilence()
  }

  /**
   * What the request had left becomes credit again. A refusal does not say how much: it is in the reply subject.
   * @returns whether it got anything
   */
  #ended(reply: string, { pending }: Status): boolean {
    const batch = Number(reply.slice(this.#inbox.length + 1).split('.')[0])
    const left = Math.min(pending ?? batch, this.#open)
    this.#open -= left
    this.#credit += left
    return pending !== undefined && pending < batch
  }

  /** A forbidden request is not answered; permission may be given later (JS-F6). */
  #denied(): void {
    this.#idleReason = `the server forbids to publish to ${this.#subject}`
    this.#credit += this.#open
    this.#open = 0
    this.#askLater()
  }

  #askLater(): void {
    this.#retry ??= this.#connection.host.clock.timer(RETRY_MS, () => {
      this.#retry = undefined
      this.#ask()
    })
  }

  /** A look each second while something is asked for. */
  #watchOver(): void {
    const { clock } = this.#connection.host
    const look = (): void => {
      this.#watch = undefined
      if (this.#isPaused || this.#open === 0) return
      if (this.#connection.isConnected && clock.monotonic() - this.#heardAt > SILENCE_MS) this.#fallSilent()
      this.#watch ??= clock.timer(HEARTBEAT_MS, look, { ref: false })
    }
    this.#watch = clock.timer(HEARTBEAT_MS, look, { ref: false })
  }

  #fallSilent(): void {
    this.#idleReason = `the server has not answered for ${SILENCE_MS} ms`
    this.drop()
    if (this.#listener.onSilence !== undefined) return this.#listener.onSilence()
    this.resume()
    this.#listener.onDoubt(this.#idleReason)
  }
}

interface Status {
  readonly code: number
  readonly text: string
  /** Messages that the request had left. */
  readonly pending: number | undefined
}

function parseStatus(header: string): Status {
  const [, code = '0', text = ''] = /^NATS\/1\.0 (\d{3})\s*([^\r\n]*)/.exec(header) ?? []
  const pending = /\r\nNats-Pending-Messages: ?(\d+)/.exec(header)?.[1]
  return { code: Number(code), text, pending: pending === undefined ? undefined : Number(pending) }
}
