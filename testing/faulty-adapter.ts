/**
 * An adapter around another one that records what passes and, when told to, breaks it: fails calls, loses settlements as a crash would,
 * delivers twice, delivers late, and hands out in a fixed random order. `TestBus` is its front.
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
} from '../src/adapter.js'
import type { Clock } from '../src/clock.js'
import type { BusError } from '../src/errors.js'
import type { Outgoing, StoredMessage } from '../src/message.js'
import type { ResolvedConsumer, ResolvedStream } from '../src/topology.js'
import { shuffled } from './run-number.js'

export type Operation = 'publish' | 'attach' | 'settle' | 'read' | 'request'

/** What became of one delivery. */
export interface SettlementRecord {
  readonly consumer: string
  readonly message: StoredMessage
  readonly attempt: number
  readonly settlement: Settlement
}

export class FaultyAdapter implements Adapter {
  readonly name: string
  readonly supports: Capabilities
  /** Messages that were accepted, in order. */
  readonly accepted: Outgoing[] = []
  /** Settlements that reached the backend, in order; heartbeats are left out. */
  readonly settlements: SettlementRecord[] = []
  /** Called after each addition to either list. */
  onChange: () => void = () => {}
  readonly #inner: Adapter
  readonly #clock: Clock
  readonly #random: () => number
  readonly #failures = new Map<Operation, BusError[]>()
  readonly #crashes: Settlement['kind'][] = []
  readonly #consumerOf = new WeakMap<Delivery, string>()
  readonly #inHand = new Set<Delivery>()
  #duplicates = 0
  #delays: number[] = []

  constructor(inner: Adapter, clock: Clock, random: () => number) {
    this.#inner = inner
    this.#clock = clock
    this.#random = random
    this.name = inner.name
    this.supports = inner.supports
  }

  // Faults.

  failNext(operation: Operation, error: BusError): void {
    this.#failures.set(operation, [...(this.#failures.get(operation) ?? []), error])
  }

  /** The next settlement of that kind is lost, as if the process had died before it was sent; the message comes back after its ack wait. */
  crashBefore(settlement: Settlement['kind']): void {
    this.#crashes.push(settlement)
  }

  /** The next delivery is made twice. */
  duplicateNext(): void {
    this.#duplicates++
  }

  /** The next delivery arrives that many ms late. */
  delayNext(ms: number): void {
    this.#delays.push(ms)
  }

  /** Deliveries that a pool holds. */
  get inHand(): number {
    return this.#inHand.size
  }

  // The port.

  open(host: AdapterHost): Promise<void> {
    return this.#inner.open(host)
  }

  provision(streams: readonly ResolvedStream[]): Promise<ProvisionReport> {
    return this.#inner.provision(streams)
  }

  async publish(batch: readonly Outgoing[], timeoutMs: number): Promise<readonly PublishOutcome[]> {
    const failure = this.#takeFailure('publish')
    if (failure !== undefined) return batch.map(() => ({ status: 'unknown', error: failure }))
    const outcomes = await this.#inner.publish(batch, timeoutMs)
    for (const [at, message] of batch.entries()) if (outcomes[at]?.status === 'accepted') this.accepted.push(message)
    this.onChange()
    return outcomes
  }

  async attach(consumer: ResolvedConsumer, sink: Sink): Promise<Feed> {
    this.#throwFailure('attach')
    return this.#inner.attach(consumer, {
      deliver: (deliveries) => this.#deliver(consumer, sink, deliveries),
      awaiting: (messages) => sink.awaiting(messages),
      gone: (messages) => sink.gone(messages),
    })
  }

  settle(deliveries: readonly Delivery[], settlement: Settlement): void | Promise<void> {
    this.#throwFailure('settle')
    if (settlement.kind === 'working') return this.#inner.settle(deliveries, settlement)
    for (const delivery of deliveries) this.#inHand.delete(delivery)
    const crash = this.#crashes.indexOf(settlement.kind)
    if (crash >= 0) this.#crashes.splice(crash, 1)
    else {
      this.#record(deliveries, settlement)
      return this.#inner.settle(deliveries, settlement)
    }
  }

  async *read(query: ReadQuery): AsyncIterable<StoredMessage> {
    this.#throwFailure('read')
    yield* this.#inner.read(query)
  }

  remove(stream: string, sequences: readonly number[]): Promise<number> {
    return this.#inner.remove(stream, sequences)
  }

  signal(signal: Signal): void | Promise<void> {
    return this.#inner.signal(signal)
  }

  listen(pattern: string, listener: Listener, share?: string): Promise<Listening> {
    return this.#inner.listen(pattern, listener, share)
  }

  async request(signal: Signal, timeoutMs: number): Promise<Signal> {
    this.#throwFailure('request')
    return this.#inner.request(signal, timeoutMs)
  }

  inspect(): Promise<AdapterReport> {
    return this.#inner.inspect()
  }

  close(): Promise<void> {
    return this.#inner.close()
  }

  #deliver(consumer: ResolvedConsumer, sink: Sink, deliveries: readonly Delivery[]): void {
    const ordered = consumer.order === 'key' ? inKeyOrder(deliveries, this.#random) : shuffled(deliveries, this.#random)
    for (const delivery of ordered) {
      this.#consumerOf.set(delivery, consumer.name)
      const delayMs = this.#delays.shift() ?? 0
      const hand = (): void => {
        this.#inHand.add(delivery)
        sink.deliver([delivery])
      }
      if (delayMs > 0) this.#clock.timer(delayMs, hand)
      else hand()
      if (this.#duplicates > 0) {
        this.#duplicates--
        hand()
      }
    }
  }

  #record(deliveries: readonly Delivery[], settlement: Settlement): void {
    for (const delivery of deliveries) {
      const { message, attempt } = delivery
      this.settlements.push({ consumer: this.#consumerOf.get(delivery) ?? '', message, attempt, settlement })
    }
    this.onChange()
  }

  #takeFailure(operation: Operation): BusError | undefined {
    return this.#failures.get(operation)?.shift()
  }

  #throwFailure(operation: Operation): void {
    const failure = this.#takeFailure(operation)
    if (failure !== undefined) throw failure
  }
}

/** Random, but messages of one key stay in sequence order: a backend may not break that. */
function inKeyOrder(deliveries: readonly Delivery[], random: () => number): Delivery[] {
  const byKey = new Map<string | undefined, Delivery[]>()
  for (const delivery of deliveries) {
    const { key } = delivery.message
    byKey.set(key, [...(byKey.get(key) ?? []), delivery])
  }
  const turns = shuffled(deliveries, random)
  return turns.map((turn) => (turn.message.key === undefined ? turn : (byKey.get(turn.message.key)?.shift() ?? turn)))
}
