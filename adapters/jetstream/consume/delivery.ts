/** One attempt to hand out a JetStream message, and how the server is told what became of it. */
import type { Msg } from '@nats-io/transport-node'
import type { Delivery, Sink } from '../../../src/adapter.js'
import { MAX_TIMER_MS } from '../../../src/clock.js'
import { BusError } from '../../../src/errors.js'
import type { StoredMessage } from '../../../src/message.js'
import { headerText, toStored } from '../wire.js'
import { parseAckSubject } from './ack-subject.js'
import type { JetStreamFeed } from './feed.js'
import type { Earlier } from './held.js'

const NS_PER_MS = 1_000_000

export class JetStreamDelivery implements Delivery {
  readonly message: StoredMessage
  readonly attempt: number
  readonly feed: JetStreamFeed
  /** When the stream was made that it is of. */
  readonly origin: string
  /** Where settlements of this delivery go. */
  readonly reply: string
  /** How often the server has handed the message out, this time included; hand-backs count. */
  readonly count: number
  /** Position in what the consumer was handed. */
  readonly consumerSequence: number
  /** Nobody else was ever handed it, and it was never settled here: what the server counts as unsettled has it. */
  readonly isOurs: boolean
  /** Monotonic ms: the server may hand it to somebody else from then on. */
  expiresAt: number
  /** The same without any extension. */
  readonly #expiresAtFirst: number
  isSettled = false

  constructor(arrival: Arrival, earlier: Earlier, feed: JetStreamFeed, expiresAt: number) {
    this.message = arrival.message
    this.reply = arrival.reply
    this.count = arrival.count
    this.consumerSequence = arrival.consumerSequence
    this.attempt = earlier.attempts + 1
    this.isOurs = earlier.isOurs
    this.feed = feed
    this.origin = feed.origin.created
    this.expiresAt = this.#expiresAtFirst = expiresAt
  }

  /** As if none had been made: see `Held`. */
  forgetExtensions(): void {
    this.expiresAt = Math.min(this.expiresAt, this.#expiresAtFirst)
  }
}

/** Where a feed's deliveries go. */
export interface JetStreamSink extends Omit<Sink, 'deliver'> {
  deliver(deliveries: readonly JetStreamDelivery[]): void
}

/** A message as the server handed it out. */
export interface Arrival {
  readonly message: StoredMessage
  readonly reply: string
  readonly count: number
  /** Position in what the consumer was handed. */
  readonly consumerSequence: number
  /** Matching messages that were not handed out then. */
  readonly pending: number
}

/** Undefined for anything that is not a delivery of a consumer. */
export function toArrival(received: Msg): Arrival | undefined {
  const reply = received.reply ?? ''
  const facts = parseAckSubject(reply)
  if (facts === undefined) return undefined
  const message = toStored(facts, received.subject, headerText(received), received.data)
  const { count, consumerSequence, pending } = facts
  return { message, reply, count, consumerSequence, pending }
}

const encode = (text: string): Uint8Array => Buffer.from(text)
export const ACK = encode('+ACK')
export const WORKING = encode('+WPI')
/** At once. Used for hand-backs, and for delays of 0: the server takes no other word for either (JS-S4). */
const NAK = encode('-NAK')

/**
 * A bare nak would be delivered again within the millisecond, until nothing is left of the attempts (JS-S3); and so would one with a delay
 * that is no number of the server's.
 */
export function nak(delayMs: number): Uint8Array {
  return delayMs <= 0 ? NAK : encode(`-NAK {"delay": ${Math.ceil(Math.min(delayMs, MAX_TIMER_MS) * NS_PER_MS)}}`)
}

export function term(reason: string): Uint8Array {
  return encode(`+TERM ${reason}`)
}

/** The deliveries of each feed. */
export function byFeed(deliveries: readonly Delivery[]): ReadonlyMap<JetStreamFeed, readonly JetStreamDelivery[]> {
  const groups = new Map<JetStreamFeed, JetStreamDelivery[]>()
  for (const delivery of deliveries) {
    if (!(delivery instanceof JetStreamDelivery))
      throw new BusError('BUS_INVALID_OPTION', '[nats] settle: this delivery is of another adapter')
    const group = groups.get(delivery.feed)
    if (group === undefined) groups.set(delivery.feed, [delivery])
    else group.push(delivery)
  }
  return groups
}
