/**
 * Settlements on their way to the server. A plain acknowledgement is not confirmed: a lost one costs a redelivery, which at-least-once
 * allows (JS-S1). While the link is down they wait here, bounded, instead of in the client's unbounded buffer (JS-R3), and those that
 * have lost their meaning meanwhile are dropped.
 */
import { BusError } from '../../../src/errors.js'
import type { Connection } from '../connect/connection.js'
import { clientFailure, failure } from '../failure.js'
import type { JetStreamDelivery } from './delivery.js'

const MAX_WAITING = 100_000

interface Waiting {
  readonly delivery: JetStreamDelivery
  readonly bytes: Uint8Array
  /** An ack or a term settles a message even after it was handed to somebody else; the others do not (JS-S11). */
  readonly isForGood: boolean
}

export class Outbound {
  readonly #connection: Connection
  readonly #waiting: Waiting[] = []
  readonly #stop: () => void

  constructor(connection: Connection) {
    this.#connection = connection
    this.#stop = connection.onConnected(() => this.#flush())
  }

  /** Throws `BUS_UNAVAILABLE` when too many wait for the link. */
  send(delivery: JetStreamDelivery, bytes: Uint8Array, isForGood: boolean): void {
    if (this.#connection.isConnected) {
      this.#connection.nats.publish(delivery.reply, bytes)
      return
    }
    if (this.#waiting.length >= MAX_WAITING)
      throw new BusError('BUS_UNAVAILABLE', '[nats] settle: not connected, and too many settlements wait already')
    this.#waiting.push({ delivery, bytes, isForGood })
  }

  /**
   * Resolves when the server has heard it of all of them: they go the same way in order, so the last one answers for all. Rejects with
   * `BUS_UNAVAILABLE` at once while the link is down, or after `timeoutMs`.
   */
  async confirm(deliveries: readonly JetStreamDelivery[], bytes: Uint8Array, timeoutMs: number): Promise<void> {
    const last = deliveries.at(-1)
    if (last === undefined) return
    if (!this.#connection.isConnected) throw failure('settle', 'BUS_UNAVAILABLE', 'not connected')
    try {
      for (const { reply } of deliveries.slice(0, -1)) this.#connection.nats.publish(reply, bytes)
      await this.#connection.nats.request(last.reply, bytes, { timeout: timeoutMs })
    } catch (thrown) {
      throw clientFailure('settle', thrown)
    }
  }

  close(): void {
    this.#stop()
  }

  #flush(): void {
    const now = this.#connection.host.clock.monotonic()
    for (const { delivery, bytes, isForGood } of this.#waiting.splice(0)) {
      if (isForGood || now < delivery.expiresAt) this.#connection.nats.publish(delivery.reply, bytes)
    }
  }
}
