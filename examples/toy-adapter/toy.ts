/**
 * A whole adapter, as small as it can honestly be: it keeps messages in this process, hands them out and settles them, and says no to
 * everything optional. Written from `src/adapter.ts` alone; the conformance suite says that it is done.
 */
import type {
  Adapter,
  AdapterHost,
  AdapterReport,
  Capabilities,
  Delivery,
  Feed,
  Guarantee,
  Listening,
  ProvisionReport,
  PublishOutcome,
  ReadQuery,
  Settlement,
  Signal,
  Sink,
} from '../../src/adapter.js'
import { BusError, toBusError } from '../../src/errors.js'
import type { Outgoing, StoredMessage } from '../../src/message.js'
import { difference, type ResolvedConsumer, type ResolvedStream } from '../../src/topology.js'
import { ToyConsumer, type ToyDelivery } from './toy-consumer.js'
import { ToyServer, ToyStream, unsupported } from './toy-server.js'

export const supports: Capabilities = {
  durability: 'process',
  survivesRestart: false,
  reconnects: false,
  publishDedup: false,
  keepsIds: false,
  idConflict: false,
  delayedPublish: false,
  workqueue: false,
  interest: false,
  lastPerSubject: false,
  originalReplay: false,
  live: false,
  request: false,
  remove: false,
  transactions: false,
}

const promises: Record<Guarantee['topic'], string> = {
  accepted: 'the message is in the heap of this process',
  'lost-only-if': 'the process exits, or a limit of the stream takes it',
  delivery: 'at least once per consumer while the process lives',
  phantoms: 'never',
  'publish-dedup': 'none: a repeated publish is another message',
  'handler-duplicates': 'after a failure, a timeout, an ack wait that passed, or a repeated publish',
  order: "per key and consumer, retries included, with order: 'key'",
  'dead-letter': 'stored before the original is settled',
  replay: 'what the limits of the stream have left',
  shutdown: 'what has not started is handed back and costs no attempt',
  'broker-down': 'there is none',
}

const guarantees = Object.entries(promises).map(([topic, promise]) => ({
  topic: topic as Guarantee['topic'],
  promise,
  observed: 'unknown',
}))

/** @param server shared with other toys; default: one of its own */
export function toy(server?: ToyServer): Adapter {
  return new Toy(server)
}

class Toy implements Adapter {
  readonly name = 'toy'
  readonly supports = supports
  readonly #feeds = new Set<Feed>()
  readonly #closing = new AbortController()
  #server: ToyServer | undefined

  constructor(server: ToyServer | undefined) {
    this.#server = server
  }

  async open(host: AdapterHost): Promise<void> {
    this.#server ??= new ToyServer(host.clock)
  }

  async provision(streams: readonly ResolvedStream[]): Promise<ProvisionReport> {
    const server = this.#open()
    for (const stream of streams) server.check(stream)
    const report: Record<keyof ProvisionReport, string[]> = { created: [], updated: [], unchanged: [] }
    for (const wanted of streams) {
      const known = server.streams.get(wanted.name)
      const same = known !== undefined && difference(wanted, known.definition) === undefined
      report[known === undefined ? 'created' : same ? 'unchanged' : 'updated'].push(wanted.name)
      const stream = known ?? new ToyStream(server.clock, wanted)
      stream.definition = wanted
      stream.shrink()
      server.streams.set(wanted.name, stream)
    }
    return report
  }

  async publish(batch: readonly Outgoing[]): Promise<readonly PublishOutcome[]> {
    const server = this.#open()
    return batch.map((message) => {
      try {
        const stream = server.streamFor(message.subject)
        return { status: 'accepted', stream: stream.definition.name, sequence: stream.store(message), duplicate: false }
      } catch (thrown) {
        return { status: 'rejected', error: toBusError(thrown, 'BUS_UNAVAILABLE', '[toy] publish') }
      }
    })
  }

  async attach(definition: ResolvedConsumer, sink: Sink): Promise<Feed> {
    const server = this.#open()
    const stream = server.stream(definition.stream)
    const consumer = server.consumers.get(definition.name) ?? new ToyConsumer(definition, stream, server.clock)
    const differs = difference(definition, consumer.definition)
    if (differs !== undefined)
      throw new BusError('BUS_CONFLICT', `[toy] consumer ${definition.name}: ${differs}. Rename one`)
    server.consumers.set(definition.name, consumer)
    const feed = consumer.attach(sink)
    this.#feeds.add(feed)
    return feed
  }

  async settle(deliveries: readonly Delivery[], settlement: Settlement): Promise<void> {
    this.#open()
    for (const delivery of deliveries) if (isOurs(delivery)) delivery.consumer.settle(delivery, settlement)
  }

  async *read({
    stream: name,
    filters,
    from,
    toSequence,
    toTimeMs,
    follow,
    signal,
  }: ReadQuery): AsyncIterable<StoredMessage> {
    const stream = this.#open().stream(name)
    const last = follow ? Number.POSITIVE_INFINITY : stream.lastSequence
    const end = Math.min(toSequence ?? last, last)
    let sequence = stream.start(from, filters)
    while (signal?.aborted !== true && sequence <= end) {
      const message = stream.next(sequence, filters)
      if (message === undefined) {
        if (!follow) return
        sequence = stream.lastSequence + 1
        await change(stream, signal === undefined ? [this.#closing.signal] : [this.#closing.signal, signal])
        this.#open()
      } else {
        if (message.sequence > end || message.time > (toTimeMs ?? message.time)) return
        yield message
        this.#open()
        sequence = message.sequence + 1
      }
    }
  }

  async inspect(): Promise<AdapterReport> {
    const { streams, consumers } = this.#open()
    return {
      connected: true,
      notes: [],
      streams: [...streams.values()].map((stream) => ({
        name: stream.definition.name,
        subjects: stream.definition.subjects,
        messages: stream.messages.size,
        bytes: stream.bytes,
        firstSequence: stream.lastSequence === 0 ? 0 : stream.firstSequence,
        lastSequence: stream.lastSequence,
        delayed: 0,
      })),
      consumers: [...consumers.values()].map((consumer) => consumer.report()),
      guarantees,
    }
  }

  async close(): Promise<void> {
    this.#closing.abort()
    await Promise.all([...this.#feeds].map((feed) => feed.stop()))
  }

  remove = (): Promise<number> => this.#refuse('removing a message')
  signal = (): Promise<void> => this.#refuse('a signal')
  listen = (): Promise<Listening> => this.#refuse('a live subscription')
  request = (): Promise<Signal> => this.#refuse('a request')

  async #refuse(what: string): Promise<never> {
    this.#open()
    throw unsupported(what)
  }

  #open(): ToyServer {
    if (this.#server !== undefined && !this.#closing.signal.aborted) return this.#server
    throw new BusError('BUS_CLOSED', '[toy] the adapter is not open')
  }
}

function isOurs(delivery: Delivery): delivery is ToyDelivery {
  return 'consumer' in delivery && delivery.consumer instanceof ToyConsumer
}

/** Resolves when a message was stored or one of the signals fired. */
function change(stream: ToyStream, signals: readonly AbortSignal[]): Promise<void> {
  return new Promise((resolve) => {
    const wake = () => {
      stream.listeners.delete(listener)
      for (const signal of signals) signal.removeEventListener('abort', wake)
      resolve()
    }
    const listener = { stored: wake, removed: () => {} }
    stream.listeners.add(listener)
    for (const signal of signals) signal.addEventListener('abort', wake)
  })
}
