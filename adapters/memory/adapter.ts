/**
 * The reference adapter: a faithful JetStream inside one process. This file is the port, method by method; what a server would do is in
 * `broker.ts` and below. Start here to write another adapter.
 */
import type {
  Adapter,
  AdapterHost,
  AdapterReport,
  Capabilities,
  Delivery,
  Feed,
  Listener,
  Listening,
  ProvisionReport,
  PublishOutcome,
  ReadQuery,
  Settlement,
  Signal,
  Sink,
} from '../../src/adapter.js'
import { BusError } from '../../src/errors.js'
import type { Outgoing, StoredMessage } from '../../src/message.js'
import type { ResolvedConsumer, ResolvedStream } from '../../src/topology.js'
import { MemoryBroker } from './broker.js'
import { MemoryDelivery } from './consumer.js'
import { guarantees } from './guarantees.js'
import { readStream } from './read.js'

export interface MemoryOptions {
  /** What it is a client of. Default: a broker of its own, which ends with `close()`. */
  readonly broker?: MemoryBroker
}

const supports: Capabilities = {
  durability: 'process',
  survivesRestart: false,
  reconnects: false,
  publishDedup: true,
  keepsIds: false,
  idConflict: true,
  delayedPublish: true,
  workqueue: true,
  interest: true,
  lastPerSubject: true,
  originalReplay: true,
  live: true,
  request: true,
  remove: true,
  transactions: false,
}

export class MemoryAdapter implements Adapter {
  readonly name = 'memory'
  readonly supports = supports
  readonly #shared: MemoryBroker | undefined
  readonly #feeds = new Set<Feed>()
  readonly #listening = new Set<Listening>()
  readonly #closing = new AbortController()
  /** While the adapter is open. Looking at an `AbortSignal` for each message would take longer. */
  #broker: MemoryBroker | undefined

  constructor(options: MemoryOptions = {}) {
    this.#shared = options.broker
  }

  async open(host: AdapterHost): Promise<void> {
    if (!this.#closing.signal.aborted) this.#broker = this.#shared ?? new MemoryBroker({ clock: host.clock })
  }

  async provision(streams: readonly ResolvedStream[]): Promise<ProvisionReport> {
    return this.#open().provision(streams)
  }

  publish(batch: readonly Outgoing[]): readonly PublishOutcome[] {
    const broker = this.#open()
    const first = batch[0]
    return batch.length === 1 && first !== undefined ? [broker.publish(first)] : broker.publishAll(batch)
  }

  async attach(definition: ResolvedConsumer, sink: Sink): Promise<Feed> {
    const feed = this.#open().consumer(definition).attach(sink)
    this.#feeds.add(feed)
    return feed
  }

  settle(deliveries: readonly Delivery[], settlement: Settlement): void {
    this.#open()
    for (const delivery of deliveries) {
      if (delivery instanceof MemoryDelivery) delivery.consumer.settle(delivery, settlement)
    }
  }

  async *read(query: ReadQuery): AsyncIterable<StoredMessage> {
    const broker = this.#open()
    const signals = query.signal === undefined ? [this.#closing.signal] : [this.#closing.signal, query.signal]
    yield* readStream(broker.stream(query.stream), { ...query, signal: AbortSignal.any(signals) }, broker.clock)
    this.#open()
  }

  async remove(stream: string, sequences: readonly number[]): Promise<number> {
    const from = this.#open().stream(stream)
    return sequences.filter((sequence) => from.remove(sequence)).length
  }

  signal(signal: Signal): void {
    this.#open().live.emit(signal)
  }

  async listen(pattern: string, listener: Listener, share?: string): Promise<Listening> {
    const stopListening = this.#open().live.listen(pattern, listener, share)
    const listening: Listening = {
      stop: async () => {
        stopListening()
        this.#listening.delete(listening)
      },
    }
    this.#listening.add(listening)
    return listening
  }

  request(signal: Signal, timeoutMs: number): Promise<Signal> {
    const { live, clock } = this.#open()
    return new Promise((resolve, reject) => {
      const timer = clock.timer(timeoutMs, () => {
        reject(new BusError('BUS_TIMEOUT', `[memory] request to ${signal.subject}: no answer within ${timeoutMs} ms`))
      })
      const hearing = live.emit(signal, (answer) => {
        timer.cancel()
        resolve(answer)
      })
      if (hearing > 0) return
      timer.cancel()
      reject(new BusError('BUS_NOT_FOUND', `[memory] request to ${signal.subject}: nobody responds to this subject`))
    })
  }

  async inspect(): Promise<AdapterReport> {
    const streams = [...this.#open().streams.values()]
    return {
      connected: true,
      notes: [],
      streams: streams.map((stream) => stream.report()),
      consumers: streams.flatMap((stream) => stream.consumers.map((consumer) => consumer.report())),
      guarantees,
    }
  }

  async close(): Promise<void> {
    const broker = this.#broker
    if (broker === undefined) return
    this.#broker = undefined
    this.#closing.abort()
    await Promise.all([...this.#feeds, ...this.#listening].map((each) => each.stop()))
    if (this.#shared === undefined) broker.close()
  }

  #open(): MemoryBroker {
    if (this.#broker !== undefined) return this.#broker
    throw new BusError('BUS_CLOSED', '[memory] the adapter is not open')
  }
}
