/**
 * A TCP proxy between a client and a server, for faults of the link: cut, half open, one way only, slow. It knows no protocol, and the
 * server behind it may be restarted at will.
 *
 *   client --- toServer ---> proxy --- toServer ---> server
 *          <-- toClient ----       <-- toClient ---
 */
import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'
import { setTimeout as wait } from 'node:timers/promises'

export type Direction = 'toServer' | 'toClient'

export interface LinkProxy {
  readonly port: number
  /** `nats://127.0.0.1:port`; other protocols take the port. */
  readonly url: string
  /** Connections open now, stalled ones included. */
  readonly connections: number
  /** All that clients have sent and the server was handed, as text. */
  readonly sent: string
  /** Everything flows, what was held up first. The state at the start. */
  pass(): void
  /** Ends every connection, and every new one at once, until `pass()`. What is on its way is lost. */
  cut(): void
  /** Half open: connections stay and no byte moves, in both directions or in one, until `pass()` or `cut()`. */
  stall(direction?: Direction): void
  /** Each chunk takes that long, in both directions, in order. 0 turns it off. */
  delay(ms: number): void
  /** Ends everything. Idempotent. */
  stop(): Promise<void>
}

export interface ProxyOptions {
  /** Keep what clients have sent, for `sent`. Default true; false for runs that send more than memory should hold. */
  readonly remembers?: boolean
}

/** @param serverPort on 127.0.0.1 */
export async function startProxy(serverPort: number, { remembers = true }: ProxyOptions = {}): Promise<LinkProxy> {
  const listener = createServer()
  const proxy = new TcpProxy(listener, serverPort, remembers)
  listener.listen(0, '127.0.0.1')
  await once(listener, 'listening')
  return proxy
}

class TcpProxy implements LinkProxy {
  readonly #listener: Server
  readonly #serverPort: number
  readonly #remembers: boolean
  readonly #links = new Set<Link>()
  readonly #stalled = new Set<Direction>()
  #isCut = false
  #delayMs = 0
  #sent = ''

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
    return `nats://127.0.0.1:${this.port}`
  }

  get connections(): number {
    return this.#links.size
  }

  get sent(): string {
    return this.#sent
  }

  pass(): void {
    this.#isCut = false
    this.#stalled.clear()
    for (const link of this.#links) link.flow(this.#stalled)
  }

  cut(): void {
    this.#isCut = true
    for (const link of this.#links) link.end()
  }

  stall(direction?: Direction): void {
    for (const each of direction === undefined ? (['toServer', 'toClient'] as const) : [direction])
      this.#stalled.add(each)
    for (const link of this.#links) link.flow(this.#stalled)
  }

  delay(ms: number): void {
    this.#delayMs = ms
  }

  async stop(): Promise<void> {
    this.cut()
    if (!this.#listener.listening) return
    this.#listener.close()
    await once(this.#listener, 'close')
  }

  #accept(client: Socket): void {
    if (this.#isCut) {
      client.on('error', () => {})
      client.destroy()
      return
    }
    const link = new Link(client, connect(this.#serverPort, '127.0.0.1'), {
      onEnd: () => this.#links.delete(link),
      onSent: (chunk) => {
        if (this.#remembers) this.#sent += chunk.toString('latin1')
      },
      delayMs: () => this.#delayMs,
    })
    this.#links.add(link)
    link.flow(this.#stalled)
  }
}

interface LinkEvents {
  onEnd(): void
  onSent(chunk: Buffer): void
  delayMs(): number
}

/** One connection through the proxy. */
class Link {
  readonly #ways: Readonly<Record<Direction, Way>>

  constructor(client: Socket, server: Socket, events: LinkEvents) {
    this.#ways = {
      toServer: new Way(client, server, events.delayMs, events.onSent),
      toClient: new Way(server, client, events.delayMs, () => {}),
    }
    for (const socket of [client, server]) {
      socket.setNoDelay(true)
      socket.on('error', () => {})
      socket.on('close', () => {
        this.end()
        events.onEnd()
      })
    }
  }

  flow(stalled: ReadonlySet<Direction>): void {
    for (const direction of ['toServer', 'toClient'] as const) this.#ways[direction].flow(!stalled.has(direction))
  }

  end(): void {
    this.#ways.toServer.end()
    this.#ways.toClient.end()
  }
}

/** One direction of one connection: chunks in order, each as late as the proxy says. */
class Way {
  readonly #from: Socket
  readonly #to: Socket
  readonly #chunks: Buffer[] = []
  readonly #delayMs: () => number
  readonly #onChunk: (chunk: Buffer) => void
  #isFlowing = true
  /** Chunks that wait: what comes behind them waits too, whatever the delay is by then. */
  #late = 0
  #last = Promise.resolve()

  constructor(from: Socket, to: Socket, delayMs: () => number, onChunk: (chunk: Buffer) => void) {
    this.#from = from
    this.#to = to
    this.#delayMs = delayMs
    this.#onChunk = onChunk
    from.on('data', (chunk: Buffer) => void this.#take(chunk))
  }

  flow(on: boolean): void {
    this.#isFlowing = on
    // A half-open link takes no bytes either, once the buffers of the system are full.
    if (!on) this.#from.pause()
    else {
      this.#from.resume()
      for (const chunk of this.#chunks.splice(0)) this.#write(chunk)
    }
  }

  end(): void {
    this.#chunks.length = 0
    this.#from.destroy()
  }

  #take(chunk: Buffer): void {
    const ms = this.#delayMs()
    if (ms === 0 && this.#late === 0) return this.#pass(chunk)
    this.#late++
    this.#last = Promise.all([this.#last, wait(ms)]).then(() => {
      this.#late--
      this.#pass(chunk)
    })
  }

  #pass(chunk: Buffer): void {
    if (this.#isFlowing) this.#write(chunk)
    else this.#chunks.push(chunk)
  }

  #write(chunk: Buffer): void {
    if (this.#to.destroyed) return
    this.#onChunk(chunk)
    this.#to.write(chunk)
  }
}
