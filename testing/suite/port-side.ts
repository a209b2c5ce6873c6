/**
 * The port as a scenario drives it by hand: publishing, attaching a sink that settles nothing by itself, reading.
 */
import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import type {
  Adapter,
  ConsumerReport,
  Delivery,
  Feed,
  PublishOutcome,
  ReadQuery,
  Settlement,
  Signal,
  Sink,
} from '../../src/adapter.js'
import { NO_HEADERS, type Outgoing, type StoredMessage } from '../../src/message.js'
import { type ConsumerSettings, resolveConsumer, resolveStream, type StreamDefinition } from '../../src/topology.js'
import { nth, until } from './expect.js'
import type { Scene } from './scene.js'

const PUBLISH_TIMEOUT_MS = 5000

/** A sink that only writes down. */
export class Probe implements Sink {
  readonly deliveries: Delivery[] = []
  readonly awaited: StoredMessage[] = []
  readonly lost: StoredMessage[] = []

  deliver(deliveries: readonly Delivery[]): void {
    this.deliveries.push(...deliveries)
  }

  awaiting(messages: readonly StoredMessage[]): void {
    this.awaited.push(...messages)
  }

  gone(messages: readonly StoredMessage[]): void {
    this.lost.push(...messages)
  }

  /** The payloads as text, in the order of delivery. */
  get texts(): string[] {
    return this.deliveries.map((delivery) => textOf(delivery.message))
  }

  /** Waits until it was told of a message that it must wait for, or that will not come. */
  async hears(what: 'awaited' | 'lost'): Promise<void> {
    await until(() => this[what].length > 0, `a message to be ${what}`)
  }

  /** Waits for the n-th delivery (from 1) and returns it. */
  async nth(n: number): Promise<Delivery> {
    await until(() => this.deliveries.length >= n, `delivery ${n}`)
    return nth(this.deliveries, n - 1)
  }

  /** Waits for a delivery of that text in that attempt. */
  async arrival(text: string, attempt = 1): Promise<Delivery> {
    const find = () => this.deliveries.find((each) => textOf(each.message) === text && each.attempt === attempt)
    await until(() => find() !== undefined, `attempt ${attempt} of ${text}`)
    const delivery = find()
    assert.ok(delivery)
    return delivery
  }
}

export function textOf(message: { readonly payload: Uint8Array }): string {
  return Buffer.from(message.payload).toString()
}

export class PortSide {
  readonly adapter: Adapter
  readonly #scene: Scene

  constructor(scene: Scene, adapter: Adapter) {
    this.#scene = scene
    this.adapter = adapter
  }

  provision(...definitions: StreamDefinition[]) {
    return this.adapter.provision(definitions.map(resolveStream))
  }

  outgoing(text: string, changes: Partial<Outgoing> = {}): Outgoing {
    const id = changes.id ?? randomUUID()
    const subject = this.#scene.to('a')
    return {
      id,
      dedupId: id,
      isFresh: changes.id === undefined,
      subject,
      key: undefined,
      headers: NO_HEADERS,
      payload: Buffer.from(text),
      delayMs: 0,
      ...changes,
    }
  }

  signalOf(subject: string, text: string): Signal {
    return { subject, id: randomUUID(), key: undefined, headers: NO_HEADERS, payload: Buffer.from(text) }
  }

  /** Stores one message for each text. */
  async publish(...texts: string[]): Promise<readonly PublishOutcome[]> {
    return this.send(texts.map((text) => this.outgoing(text)))
  }

  async send(batch: readonly Outgoing[]): Promise<readonly PublishOutcome[]> {
    return this.adapter.publish(batch, PUBLISH_TIMEOUT_MS)
  }

  /** Attaches a probe to the scene's `worker` consumer and grants it that much credit. */
  async attach(credit: number, settings: Partial<ConsumerSettings> = {}): Promise<{ probe: Probe; feed: Feed }> {
    const probe = new Probe()
    const consumer = resolveConsumer(this.#scene.consumer({ ackWait: '10s', ...settings }), [this.#scene.to('>')])
    const feed = await this.adapter.attach(consumer, probe)
    if (credit > 0) feed.grant(credit)
    return { probe, feed }
  }

  async settle(settlement: Settlement, ...deliveries: Delivery[]): Promise<void> {
    await this.adapter.settle(deliveries, settlement)
  }

  async consumerReport(): Promise<ConsumerReport> {
    const { consumers } = await this.adapter.inspect()
    const found = consumers.find((consumer) => consumer.name === this.#scene.named('worker'))
    assert.ok(found, 'inspect() does not know the consumer')
    return found
  }

  async read(query: Partial<ReadQuery> = {}): Promise<StoredMessage[]> {
    const found: StoredMessage[] = []
    const whole: ReadQuery = { stream: this.#scene.main, filters: [this.#scene.to('>')], from: 'all', ...query }
    for await (const message of this.adapter.read(whole)) found.push(message)
    return found
  }

  async texts(): Promise<string[]> {
    return (await this.read()).map(textOf)
  }
}
