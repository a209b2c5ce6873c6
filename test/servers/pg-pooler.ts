/**
 * A pooler in transaction mode before PostgreSQL, as pgbouncer is one, and less kind: every transaction gets another connection to the
 * server, in turns, so that whatever a client leaves on a connection is missed at once. Settings at connect are refused, as there.
 */
import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { type Frame, Framer, frame, nameOfParsed, readyState, startupParameters } from './pg-messages.js'

/** What pgbouncer knows how to keep for each client. */
const KEPT = new Set(['user', 'database', 'client_encoding', 'datestyle', 'timezone', 'application_name'])
const PROTOCOL = 3 << 16

export interface PgPooler {
  /** `postgres://busbar@127.0.0.1:port/postgres`. */
  readonly url: string
  /** Transactions that were served, by the connection that served them. */
  readonly served: readonly number[]
  /** Names of prepared statements that clients asked for: the next transaction does not find them. */
  readonly prepared: readonly string[]
  stop(): Promise<void>
}

/** @param serverPort on 127.0.0.1 @param size connections to the server */
export async function startPgPooler(serverPort: number, size = 4): Promise<PgPooler> {
  const backends = await Promise.all(Array.from({ length: size }, () => Backend.open(serverPort)))
  const listener = createServer()
  const pooler = new Pooler(backends)
  const clients = new Set<Socket>()
  listener.on('connection', (socket) => {
    clients.add(socket)
    socket.on('close', () => clients.delete(socket))
    pooler.accept(socket)
  })
  listener.listen(0, '127.0.0.1')
  await once(listener, 'listening')
  const { port } = listener.address() as AddressInfo
  const stop = async (): Promise<void> => {
    for (const client of clients) client.destroy()
    for (const backend of backends) backend.end()
    if (!listener.listening) return
    listener.close()
    await once(listener, 'close')
  }
  const { served, prepared } = pooler
  return { url: `postgres://busbar@127.0.0.1:${port}/postgres`, served, prepared, stop }
}

class Pooler {
  readonly served: number[]
  readonly prepared: string[] = []
  readonly #backends: readonly Backend[]
  readonly #free: number[]
  readonly #waiting: ((backend: number) => void)[] = []

  constructor(backends: readonly Backend[]) {
    this.#backends = backends
    this.served = backends.map(() => 0)
    this.#free = [...backends.keys()]
  }

  accept(socket: Socket): void {
    socket.setNoDelay(true)
    socket.on('error', () => {})
    new Session(socket, this)
  }

  /** The one that has rested longest. */
  async take(): Promise<Backend> {
    const at = this.#free.shift() ?? (await new Promise<number>((resolve) => this.#waiting.push(resolve)))
    this.served[at] = (this.served[at] ?? 0) + 1
    const backend = this.#backends[at]
    if (backend === undefined) throw new Error(`there is no connection ${at}`)
    return backend
  }

  giveBack(backend: Backend): void {
    const at = this.#backends.indexOf(backend)
    const next = this.#waiting.shift()
    if (next === undefined) this.#free.push(at)
    else next(at)
  }
}

/** A connection to the server. */
class Backend {
  /** Settings that the server tells everybody, as it sent them. */
  readonly parameters: readonly Buffer[]
  readonly #socket: Socket
  readonly #framer = new Framer(false)
  onFrame: (frame: Frame) => void = () => {}

  static async open(port: number): Promise<Backend> {
    const socket = connect(port, '127.0.0.1').setNoDelay(true)
    socket.on('error', () => {})
    const body = Buffer.from('\0\0\0\0user\0busbar\0database\0postgres\0\0')
    body.writeUInt32BE(PROTOCOL)
    socket.write(frame('', body))
    const parameters: Buffer[] = []
    await new Promise<void>((resolve) => {
      const framer = new Framer(false)
      const listen = (chunk: Buffer): void => {
        for (const each of framer.take(chunk)) {
          if (each.type === 'S') parameters.push(each.bytes)
          if (readyState(each) === undefined) continue
          socket.off('data', listen)
          resolve()
        }
      }
      socket.on('data', listen)
    })
    return new Backend(socket, parameters)
  }

  private constructor(socket: Socket, parameters: readonly Buffer[]) {
    this.#socket = socket
    this.parameters = parameters
    socket.on('data', (chunk: Buffer) => {
      for (const each of this.#framer.take(chunk)) this.onFrame(each)
    })
  }

  send({ bytes }: Frame): void {
    this.#socket.write(bytes)
  }

  /** Ends a transaction that its client has left. */
  rollBack(): void {
    this.#socket.write(frame('Q', Buffer.from('rollback\0')))
  }

  end(): void {
    this.#socket.destroy()
  }
}

/** A client: its frames wait here while it has no connection of the server. */
class Session {
  readonly #client: Socket
  readonly #pooler: Pooler
  readonly #framer = new Framer(true)
  #waiting: Frame[] = []
  #backend: Backend | undefined
  #isAsking = false
  #isBusy = false

  constructor(client: Socket, pooler: Pooler) {
    this.#client = client
    this.#pooler = pooler
    client.on('data', (chunk: Buffer) => {
      for (const each of this.#framer.take(chunk)) this.#take(each)
    })
    client.on('close', () => this.#left())
  }

  #take(each: Frame): void {
    if (each.type === '') return void this.#welcome(each)
    if (each.type === 'X') return void this.#client.end()
    const name = nameOfParsed(each)
    if (name !== undefined && name !== '') this.#pooler.prepared.push(name)
    if (each.type === 'Q' || each.type === 'S') this.#isBusy = true
    if (this.#backend !== undefined) return this.#backend.send(each)
    this.#waiting.push(each)
    if (!this.#isAsking) void this.#ask()
  }

  async #welcome(first: Frame): Promise<void> {
    const unknown = [...startupParameters(first).keys()].filter((name) => !KEPT.has(name.toLowerCase()))
    if (unknown.length > 0) {
      const text = `SFATAL\0VFATAL\0C08P01\0Munsupported startup parameter: ${unknown.join(', ')}\0\0`
      this.#client.end(frame('E', Buffer.from(text)))
      return
    }
    const backend = await this.#pooler.take()
    this.#pooler.giveBack(backend)
    this.#client.write(frame('R', Buffer.from([0, 0, 0, 0])))
    for (const parameter of backend.parameters) this.#client.write(parameter)
    this.#client.write(frame('Z', Buffer.from('I')))
  }

  async #ask(): Promise<void> {
    this.#isAsking = true
    const backend = await this.#pooler.take()
    this.#isAsking = false
    if (this.#client.destroyed) return this.#pooler.giveBack(backend)
    this.#backend = backend
    backend.onFrame = (each) => this.#hear(each)
    for (const each of this.#waiting.splice(0)) backend.send(each)
  }

  #hear(each: Frame): void {
    if (!this.#client.destroyed) this.#client.write(each.bytes)
    const state = readyState(each)
    if (state === undefined || this.#backend === undefined) return
    this.#isBusy = false
    if (state === 'I') this.#letGo(this.#backend)
    else if (this.#client.destroyed) this.#left()
  }

  /** A transaction that is open ends; a statement that runs is waited for. */
  #left(): void {
    if (this.#backend === undefined || this.#isBusy) return
    this.#isBusy = true
    this.#backend.rollBack()
  }

  #letGo(backend: Backend): void {
    this.#backend = undefined
    backend.onFrame = () => {}
    this.#pooler.giveBack(backend)
  }
}
