/** One worker pool's claim on a consumer: its sink, and how many deliveries it has room for. */
import type { Feed, Sink } from '../../src/adapter.js'
import type { MemoryConsumer } from './consumer.js'

export class MemoryFeed implements Feed {
  readonly sink: Sink
  /** Deliveries that it may still be handed. */
  credit = 0
  readonly #consumer: MemoryConsumer

  constructor(consumer: MemoryConsumer, sink: Sink) {
    this.#consumer = consumer
    this.sink = sink
  }

  grant(count: number): void {
    this.credit += count
    this.#consumer.granted()
  }

  pending(): number {
    return this.#consumer.pending
  }

  async stop(): Promise<void> {
    this.#consumer.detach(this)
  }
}
