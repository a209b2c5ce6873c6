/**
 * What a scenario works with: names of its own, so that copies may run side by side on one backend; buses and adapters that are
 * closed when it ends, however it ends; and the few verbs that nearly every scenario needs.
 */
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import type { Adapter, Capabilities, ConsumerReport, StreamReport } from '../../src/adapter.js'
import { createBus } from '../../src/bus.js'
import type { BusOptions } from '../../src/bus-options.js'
import { systemClock } from '../../src/clock.js'
import type { DeadLetter, DeadLetters } from '../../src/dead-letter.js'
import { silentLogger } from '../../src/logger.js'
import type { Message } from '../../src/message.js'
import type { ConsumerDefinition, MessageBus, ReplayQuery } from '../../src/message-bus.js'
import { type Topic, type TopicOptions, type TopicParams, topic } from '../../src/topic.js'
import type { StreamDefinition } from '../../src/topology.js'
import type { PoolOptions } from '../../src/worker-pool-options.js'
import { Collector, Gate } from './collector.js'
import { until } from './expect.js'
import type { Harness } from './harness.js'
import { PortSide } from './port-side.js'
import { type Numbered, numbered } from './schema.js'

const DEFAULT_TOLERANCE_MS = 2000

export interface SceneBusOptions extends Partial<Omit<BusOptions, 'adapter'>> {
  /** Changes to the scene's main stream. */
  readonly stream?: Partial<StreamDefinition>
}

export class Scene {
  readonly harness: Harness
  /** First token of every subject, and prefix of every name. */
  readonly token = `t${randomBytes(6).toString('hex')}`
  readonly #adapters = new Map<MessageBus, Adapter>()
  readonly #ports: Adapter[] = []
  readonly #gates: Gate[] = []

  constructor(harness: Harness) {
    this.harness = harness
  }

  get supports(): Capabilities {
    return this.harness.supports
  }

  get toleranceMs(): number {
    return this.harness.toleranceMs ?? DEFAULT_TOLERANCE_MS
  }

  /** The name of the main stream. */
  get main(): string {
    return this.token
  }

  get deadLetter(): string {
    return `${this.token}.dead.worker`
  }

  /** A subject or pattern of the main stream, or of the room named. */
  to(path: string, room = 'in'): string {
    return `${this.token}.${room}.${path}`
  }

  /** A name of this scene's own. */
  named(name: string): string {
    return `${this.token}-${name}`
  }

  /** The main stream takes `to('>')`. */
  mainStream(changes: Partial<StreamDefinition> = {}): StreamDefinition {
    return { name: this.main, subjects: [this.to('>')], ...changes }
  }

  /** Takes `to('>', name)`. */
  otherStream(name: string, changes: Partial<StreamDefinition> = {}): StreamDefinition {
    return { name: this.named(name), subjects: [this.to('>', name)], ...changes }
  }

  get deadStream(): StreamDefinition {
    return this.otherStream('dead')
  }

  /** A consumer of the main stream, `worker` unless named. */
  consumer<const Changes extends Partial<ConsumerDefinition>>(
    changes: Changes,
  ): { name: string; stream: string } & Changes
  consumer(): { name: string; stream: string }
  consumer(changes: Partial<ConsumerDefinition> = {}): Partial<ConsumerDefinition> {
    return { name: this.named('worker'), stream: this.main, ...changes }
  }

  /** A topic of the main stream whose data is `{ n: number }`. */
  numbers<const Path extends string>(
    path: Path,
    options: Partial<TopicOptions<Numbered, Numbered>> = {},
  ): Topic<Numbered, Numbered, TopicParams<Path>> {
    return topic(this.to(path), { schema: numbered, ...options }) as Topic<Numbered, Numbered, TopicParams<Path>>
  }

  /** Pool options for tests: quick retries, dead letters in the scene's own stream. */
  pool(changes: PoolOptions = {}): PoolOptions {
    return { deadLetter: this.deadLetter, retry: { attempts: 3, backoff: [20], jitter: 0 }, ...changes }
  }

  /** A bus on a client of its own, connected, with the main and the dead-letter stream; not connected with `unconnectedBus`. */
  async bus(options: SceneBusOptions = {}): Promise<MessageBus> {
    const bus = await this.unconnectedBus(options)
    await bus.connect()
    return bus
  }

  async unconnectedBus({ stream, ...options }: SceneBusOptions = {}): Promise<MessageBus> {
    const adapter = await this.harness.connect()
    this.#ports.push(adapter)
    const bus = createBus({ streams: [this.mainStream(stream), this.deadStream], ...options, adapter })
    this.#adapters.set(bus, adapter)
    return bus
  }

  /** Ends the bus's client as a crash would: nothing is settled, nobody is told. */
  async crash(bus: MessageBus): Promise<void> {
    await this.#adapters.get(bus)?.close()
  }

  /** Kills the backend and starts it again. */
  async restart(): Promise<void> {
    assert.ok(this.harness.restart, 'give the harness a restart()')
    await this.harness.restart()
  }

  /** An opened client, with the main stream, for scenarios about the port itself. */
  async port(stream: Partial<StreamDefinition> = {}): Promise<PortSide> {
    const adapter = await this.adapter()
    const side = new PortSide(this, adapter)
    await side.provision(this.mainStream(stream))
    return side
  }

  async adapter(): Promise<Adapter> {
    const adapter = await this.harness.connect()
    this.#ports.push(adapter)
    await adapter.open({ clock: systemClock, logger: silentLogger, random: Math.random, strict: false })
    return adapter
  }

  collector(): Collector {
    return new Collector()
  }

  /** Opened at the end of the scene at the latest, so that no handler outlives it. */
  gate(): Gate {
    const gate = new Gate()
    this.#gates.push(gate)
    return gate
  }

  /** Publishes each datum to one subject of the main stream, one after the other. */
  async publish(bus: MessageBus, path: string, data: readonly unknown[]): Promise<void> {
    for (const datum of data) await bus.publish(this.to(path), datum)
  }

  /** Publishes each number with that key, one after the other. */
  async publishKeyed(bus: MessageBus, key: string, numbers: readonly number[]): Promise<void> {
    for (const n of numbers) await bus.publish(this.to(key), n, { key })
  }

  /** What is stored now, of the main stream unless the query says otherwise. */
  async history(bus: MessageBus, query: Partial<ReplayQuery> = {}): Promise<Message[]> {
    const messages: Message[] = []
    for await (const message of bus.replay({ stream: this.main, ...query })) messages.push(message)
    return messages
  }

  async stored(bus: MessageBus, query: Partial<ReplayQuery> = {}): Promise<unknown[]> {
    return (await this.history(bus, query)).map((message) => message.data)
  }

  deadLetters(bus: MessageBus, consumer = 'worker'): DeadLetters {
    return bus.deadLetters(this.named(consumer), this.deadLetter)
  }

  async letters(bus: MessageBus, consumer = 'worker'): Promise<DeadLetter[]> {
    const letters: DeadLetter[] = []
    for await (const letter of this.deadLetters(bus, consumer).list()) letters.push(letter)
    return letters
  }

  async streamReport(bus: MessageBus, name: string = this.main): Promise<StreamReport> {
    const found = (await bus.inspect()).streams.find((stream) => stream.name === name)
    assert.ok(found, `inspect() does not know stream ${name}`)
    return found
  }

  async consumerReport(bus: MessageBus, name = 'worker'): Promise<ConsumerReport> {
    const found = (await bus.inspect()).consumers.find((consumer) => consumer.name === this.named(name))
    assert.ok(found, `inspect() does not know consumer ${this.named(name)}`)
    return found
  }

  /** Waits until the consumer has nothing pending and nothing in flight. */
  async idle(bus: MessageBus, name = 'worker'): Promise<void> {
    await until(async () => {
      const { pending, inFlight } = await this.consumerReport(bus, name)
      return pending === 0 && inFlight === 0
    }, `consumer ${name} to be idle`)
  }

  /** Fails when more than `ms` and the tolerance have passed since `since`, a `performance.now()`. */
  inTime(since: number, ms: number, what: string): void {
    const elapsed = performance.now() - since
    assert.ok(elapsed <= ms + this.toleranceMs, `${what} took ${elapsed.toFixed(0)} ms, expected ${ms} ms`)
  }

  /** Closes everything that the scenario opened. */
  async end(): Promise<void> {
    for (const gate of this.#gates) gate.open()
    await Promise.all([...this.#adapters.keys()].map((bus) => bus.close({ within: 0 })))
    await Promise.all(this.#ports.map((adapter) => adapter.close()))
  }
}
