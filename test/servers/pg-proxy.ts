/**
 * A proxy before PostgreSQL that knows statements: it acts at a chosen one. For faults of a link that do not depend on what is said,
 * `proxy.ts` is enough.
 *
 *   act                 the statement              its reply    the client's connection
 *   'cut before'        never arrives              -            ends
 *   'swallow and cut'   is done                    is lost      ends when it is done
 *   'swallow'           is done                    is lost      stays, and nothing comes any more (half open)
 *   'cut at once'       is done, perhaps later     is lost      ends when it was sent
 *   { delayMs }         arrives that much later    comes        stays
 */
import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'
import { type Frame, Framer, readyState, statementOf } from './pg-messages.js'

export type Act = 'cut before' | 'swallow and cut' | 'swallow' | 'cut at once' | { readonly delayMs: number }

export interface Fault {
  /** A statement that is to be acted on came. */
  readonly isMet: boolean
  /** Resolves when it came. */
  readonly met: Promise<void>
  /** Resolves when the server has answered it; never, when it did not arrive. */
  readonly done: Promise<void>
  /** It acts on no later statement. */
  lift(): void
}

export interface FaultOptions {
  /** From which matching statement on, from 1. Default 1. */
  readonly nth?: number
  /** On how many statements. Default 1. */
  readonly times?: number
  /** Only on a connection whose statement before it matches this. */
  readonly after?: RegExp
}

export interface PgProxy {
  readonly port: number
  /** `postgres://busbar@127.0.0.1:port/postgres`, as `PostgresServer.url`. */
  readonly url: string
  /** Connections of clients that are open now. */
  readonly connections: number
  /** Text of every statement that clients sent, in order. */
  readonly statements: readonly string[]
  /** Acts on statements whose text matches. */
  at(pattern: RegExp, act: Act, options?: FaultOptions): Fault
  /** Ends everything. Idempotent. */
  stop(): Promise<void>
}

export interface PgProxyOptions {
  /** Keep the text of what clients have sent, for `statements`. Default true; false for runs that send more than memory should hold. */
  readonly remembers?: boolean
}

/** @param serverPort on 127.0.0.1 */
export async function startPgProxy(serverPort: number, { remembers = true }: PgProxyOptions = {}): Promise<PgProxy> {
  const listener = createServer()
  const proxy = new StatementProxy(listener, serverPort, remembers)
  listener.listen(0, '127.0.0.1')
  await once(listener, 'listening')
  return proxy
}

class StatementProxy implements PgProxy {
  readonly statements: string[] = []
  readonly #listener: Server
  readonly #serverPort: number
  readonly #remembers: boolean
  readonly #links = new Set<Link>()
  readonly #faults = new Set<ArmedFault>()

  constructor(listener: Server, serverPort: number, remembers: boolean) {
    this.#listener = listener
    this.#serverPort = serverPort
    this.#remembers = remembers
    listener.on('connection', (client) => this.#accept(client))
  }

  get port(): number {
    return (this.#listener.address() as AddressInfo).port
  }

  get url(): string {
    return `postgres://busbar@127.0.0.1:${this.port}/postgres`
  }

  get connections(): number {
    return this.#links.size
  }

  at(pattern: RegExp, act: Act, options: FaultOptions = {}): Fault {
    const fault = new ArmedFault(pattern, act, options, () => this.#faults.delete(fault))
    this.#faults.add(fault)
    return fault
  }

  async stop(): Promise<void> {
    for (const link of this.#links) link.end()
    if (!this.#listener.listening) return
    this.#listener.close()
    await once(this.#listener, 'close')
  }

  #accept(client: Socket): void {
    const link = new Link(client, connect(this.#serverPort, '127.0.0.1'), {
      faultAt: (statement, before) => this.#faultAt(statement, before),
      onEnd: () => this.#links.delete(link),
    })
    this.#links.add(link)
  }

  #faultAt(statement: string, before: string): ArmedFault | undefined {
    if (this.#remembers) this.statements.push(statement)
    return [...this.#faults].find((fault) => fault.takes(statement, before))
  }
}

class ArmedFault implements Fault {
  readonly act: Act
  readonly met: Promise<void>
  readonly done: Promise<void>
  readonly lift: () => void
  isMet = false
  onDone: () => void = () => {}
  readonly #pattern: RegExp
  readonly #after: RegExp | undefined
  #skip: number
  #left: number
  #onMet: () => void = () => {}

  constructor(pattern: RegExp, act: Act, { nth = 1, times = 1, after }: FaultOptions, lift: () => void) {
    this.#pattern = pattern
    this.#after = after
    this.act = act
    this.#skip = nth - 1
    this.#left = times
    this.lift = lift
    this.met = new Promise((resolve) => {
      this.#onMet = resolve
    })
    this.done = new Promise((resolve) => {
      this.onDone = resolve
    })
  }

  takes(statement: string, before: string): boolean {
    if (!this.#pattern.test(statement) || this.#after?.test(before) === false || this.#skip-- > 0) return false
    if (--this.#left === 0) this.lift()
    this.isMet = true
    this.#onMet()
    return true
  }
}

interface LinkEvents {
  faultAt(statement: string, before: string): ArmedFault | undefined
  onEnd(): void
}

/** One connection through the proxy. */
class Link {
  readonly #client: Socket
  readonly #server: Socket
  readonly #events: LinkEvents
  readonly #fromClient = new Framer(true)
  readonly #fromServer = new Framer(false)
  /** What the client sent behind a statement that is late. */
  #held: Frame[] | undefined
  /** The reply to its statement goes nowhere, nor does anything after it. */
  #swallowing: ArmedFault | undefined
  #isDone = false
  #before = ''

  constructor(client: Socket, server: Socket, events: LinkEvents) {
    this.#client = client
    this.#server = server
    this.#events = events
    client.on('data', (chunk: Buffer) => this.#toServer(this.#fromClient.take(chunk)))
    server.on('data', (chunk: Buffer) => this.#toClient(chunk))
    for (const socket of [client, server]) {
      socket.setNoDelay(true)
      socket.on('error', () => {})
    }
    client.on('close', () => {
      events.onEnd()
      if (this.#swallowing === undefined || this.#isDone) server.destroy()
    })
    server.on('close', () => client.destroy())
  }

  end(): void {
    this.#client.destroy()
    this.#server.destroy()
  }

  #toServer(frames: readonly Frame[]): void {
    for (const [at, frame] of frames.entries()) {
      if (this.#held !== undefined) return void this.#held.push(...frames.slice(at))
      if (this.#server.destroyed) return
      const fault = this.#faultAt(statementOf(frame))
      if (fault?.act === 'cut before') return this.end()
      if (typeof fault?.act === 'object') return this.#hold(fault, fault.act.delayMs, frames.slice(at))
      this.#swallowing ??= fault
      this.#send(frame)
    }
  }

  #faultAt(statement: string | undefined): ArmedFault | undefined {
    if (statement === undefined) return undefined
    const before = this.#before
    this.#before = statement
    return this.#events.faultAt(statement, before)
  }

  #send({ type, bytes }: Frame): void {
    this.#server.write(bytes)
    // The statement is complete, so the server will do it.
    if (this.#swallowing?.act === 'cut at once' && (type === 'Q' || type === 'S')) this.#client.destroy()
  }

  #hold(fault: ArmedFault, delayMs: number, frames: Frame[]): void {
    this.#held = frames
    setTimeout(() => this.#goOn(fault), delayMs)
  }

  #goOn(fault: ArmedFault): void {
    const held = this.#held ?? []
    this.#held = undefined
    for (const { bytes } of held) if (!this.#server.destroyed) this.#server.write(bytes)
    fault.onDone()
  }

  #toClient(chunk: Buffer): void {
    const frames = this.#fromServer.take(chunk)
    const fault = this.#swallowing
    if (fault === undefined) {
      for (const { bytes } of frames) if (!this.#client.destroyed) this.#client.write(bytes)
    } else if (frames.some((frame) => readyState(frame) !== undefined)) {
      this.#isDone = true
      fault.onDone()
      if (fault.act !== 'swallow') this.end()
    }
  }
}
