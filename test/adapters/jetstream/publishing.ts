/** The publisher by itself against one server, as the adapter drives it: a stream of its own, and a raw client beside it. */
import { randomBytes, randomUUID } from 'node:crypto'
import { type JetStreamManager, jetstreamManager } from '@nats-io/jetstream'
import { connect, type NatsConnection } from '@nats-io/transport-node'
import { Connection } from '../../../adapters/jetstream/connect/connection.js'
import type { JetStreamOptions } from '../../../adapters/jetstream/connect/options.js'
import { provisionStreams } from '../../../adapters/jetstream/provision/provision.js'
import { Streams } from '../../../adapters/jetstream/provision/streams.js'
import { Publisher } from '../../../adapters/jetstream/publish/publisher.js'
import { parseHeaders } from '../../../adapters/jetstream/wire.js'
import type { PublishOutcome } from '../../../src/adapter.js'
import { systemClock } from '../../../src/clock.js'
import { silentLogger } from '../../../src/logger.js'
import { NO_HEADERS, type Outgoing } from '../../../src/message.js'
import { resolveStream, type StreamDefinition } from '../../../src/topology.js'
import { nth, until } from '../../../testing/suite/expect.js'
import type { NatsServer } from '../../servers/nats-server.js'
import { type LinkProxy, startProxy } from '../../servers/proxy.js'

export interface PublishingOptions extends JetStreamOptions {
  /** Of the stream, beside its name and subjects. */
  readonly stream?: Partial<StreamDefinition>
  /** The stream is declared and not made. Default false. */
  readonly isMissing?: boolean
  /** The stream is made by somebody else, and not declared. Default false. */
  readonly isForeign?: boolean
}

/** What lies in the stream. */
export interface Kept {
  readonly sequence: number
  readonly subject: string
  readonly id: string | undefined
  readonly text: string
}

export class Publishing implements AsyncDisposable {
  readonly stream = `p${randomBytes(5).toString('hex')}`
  readonly publisher: Publisher
  readonly connection: Connection
  /** Between the publisher and the server. */
  readonly proxy: LinkProxy
  /** Another client, which does not go through the proxy. */
  readonly raw: NatsConnection
  readonly jsm: JetStreamManager

  private constructor(parts: Pick<Publishing, 'connection' | 'proxy' | 'raw' | 'jsm'>, options: PublishingOptions) {
    this.connection = parts.connection
    this.proxy = parts.proxy
    this.raw = parts.raw
    this.jsm = parts.jsm
    const streams = new Streams()
    if (options.isForeign !== true) streams.declare([this.#definition(options)])
    this.publisher = new Publisher(parts.connection, streams, options)
  }

  static async open(server: NatsServer, options: PublishingOptions = {}): Promise<Publishing> {
    const raw = await connect({ servers: server.url, maxReconnectAttempts: -1, reconnectTimeWait: 20 })
    const jsm = await jetstreamManager(raw, { timeout: 10_000, checkAPI: false })
    const proxy = await startProxy(server.port)
    const { stream, isMissing, isForeign, ...own } = options
    const connection = new Connection({ ...own, servers: proxy.url })
    await connection.open({ clock: systemClock, logger: silentLogger, random: Math.random, strict: false })
    const publishing = new Publishing({ connection, proxy, raw, jsm }, options)
    const { publisher } = publishing
    await publisher.learn()
    if (isMissing !== true)
      await provisionStreams(jsm, [publishing.#definition(options)], (stream) => publisher.gainsByBatches(stream))
    return publishing
  }

  to(path: string): string {
    return `${this.stream}.${path}`
  }

  outgoing(text: string | Uint8Array, changes: Partial<Outgoing> = {}): Outgoing {
    const id = changes.id ?? randomUUID()
    const payload = typeof text === 'string' ? Buffer.from(text) : text
    const isFresh = changes.id === undefined
    const defaults = {
      id,
      dedupId: id,
      isFresh,
      subject: this.to('a'),
      key: undefined,
      headers: NO_HEADERS,
      delayMs: 0,
    }
    return { ...defaults, payload, ...changes }
  }

  batch(...texts: readonly string[]): Outgoing[] {
    return texts.map((text) => this.outgoing(text))
  }

  send(batch: readonly Outgoing[], timeoutMs = 5000): Promise<readonly PublishOutcome[]> {
    return this.publisher.publish(batch, timeoutMs)
  }

  async one(text: string | Uint8Array, changes: Partial<Outgoing> = {}, timeoutMs = 5000): Promise<PublishOutcome> {
    return nth(await this.send([this.outgoing(text, changes)], timeoutMs), 0)
  }

  /** Answers publishes to a subject in the server's place. @param answer to the first, the second and so on */
  answer(subject: string, answer: (times: number) => string): { readonly asked: number } {
    const asked = { asked: 0 }
    this.raw.subscribe(subject, {
      callback: (_error, message) => {
        message.respond(answer(++asked.asked))
      },
    })
    return asked
  }

  /**
   * How often a subject was published to, stored or not. Whoever listens is somebody who takes the subject: a publish that no stream
   * takes then meets silence instead of a 503.
   */
  async counter(subject: string): Promise<() => Promise<number>> {
    let seen = 0
    this.raw.subscribe(subject, { callback: () => void seen++ })
    await this.raw.flush()
    return async () => {
      await this.raw.flush()
      return seen
    }
  }

  /** Everything in the stream, in order. */
  async kept(): Promise<readonly Kept[]> {
    const { state } = await this.jsm.streams.info(this.stream)
    const kept: Kept[] = []
    for (let sequence = state.first_seq; sequence <= state.last_seq && state.messages > 0; sequence++) {
      const found = await this.jsm.streams.getMessage(this.stream, { seq: sequence })
      if (found === null) continue
      kept.push({ sequence, subject: found.subject, id: parseHeaders(String(found.header)).id, text: found.string() })
    }
    return kept
  }

  async texts(): Promise<readonly string[]> {
    return (await this.kept()).map(({ text }) => text)
  }

  async untilKept(count: number): Promise<void> {
    await until(async () => (await this.jsm.streams.info(this.stream)).state.messages === count, `${count} messages`)
  }

  async untilLost(): Promise<void> {
    await until(() => !this.connection.isConnected, 'the loss of the link to be noticed')
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.publisher.close()
    await this.connection.close()
    await this.raw.close()
    await this.proxy.stop()
  }

  #definition({ stream }: PublishingOptions): ReturnType<typeof resolveStream> {
    return resolveStream({ name: this.stream, subjects: [this.to('>')], ...stream })
  }
}

/** `accepted`, or the status with the error's code. */
export function endOf(outcome: PublishOutcome): string {
  return outcome.status === 'accepted' ? 'accepted' : `${outcome.status} ${outcome.error.code}`
}
