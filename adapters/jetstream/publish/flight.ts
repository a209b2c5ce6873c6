/**
 * One message on its way to its stream, and the call that waits for it. A flight ends in exactly one of three: accepted, rejected,
 * unknown; it knows which of the last two is true. When it is sent, and again, is the business of `stream-writer.ts`.
 */
import type { PublishOutcome } from '../../../src/adapter.js'
import type { BusError } from '../../../src/errors.js'
import type { Outgoing } from '../../../src/message.js'
import type { HeaderBlock } from '../wire.js'

/** A batch and its time limit. Its flights end one by one, in any order. */
export class Call {
  readonly done: Promise<readonly PublishOutcome[]>
  readonly timeoutMs: number
  /** Monotonic ms. */
  readonly expiresAt: number
  readonly #outcomes: PublishOutcome[]
  #left: number
  #resolve: (outcomes: readonly PublishOutcome[]) => void = () => {}

  constructor(size: number, timeoutMs: number, now: number) {
    this.timeoutMs = timeoutMs
    this.expiresAt = now + timeoutMs
    this.#outcomes = new Array(size)
    this.#left = size
    this.done = new Promise((resolve) => {
      this.#resolve = resolve
    })
    if (size === 0) this.#resolve(this.#outcomes)
  }

  /** Later ends of the same one do nothing. */
  end(at: number, outcome: PublishOutcome): void {
    if (this.#outcomes[at] !== undefined) return
    this.#outcomes[at] = outcome
    if (--this.#left === 0) this.#resolve(this.#outcomes)
  }
}

/** What is sent. */
export interface Cargo {
  readonly stream: string
  readonly subject: string
  readonly headers: HeaderBlock
  readonly payload: Uint8Array
  /** What a duplicate is compared with (JS-D1); undefined when its sender does not care. */
  readonly message: Outgoing | undefined
  /** How long the stream recognises a repetition, in ms; 0 when it does not, so that it must not be repeated once it may be stored. */
  readonly rememberedMs: number
  /** It may go in an atomic batch: its stream recognises it, and nobody else can have sent it. */
  readonly mayBatch: boolean
}

export class Flight {
  /** Flights are sent in the order of their numbers. Also the last token of the reply subject, for all attempts. */
  readonly number: number
  readonly cargo: Cargo
  readonly call: Call
  readonly bytes: number
  attempts = 0
  /** An attempt may have been stored: its answer was lost, or proved nothing. */
  isInDoubt = false
  /** Until it was sent once. */
  mayBatch: boolean
  /** Monotonic ms at which somebody has to look after it: its attempt is overdue, or its time is up. */
  dueAt: number
  /** Where it is, and its neighbours there. Owned by the queue. */
  queue: FlightQueue | undefined = undefined
  before: Flight | undefined = undefined
  after: Flight | undefined = undefined
  readonly #at: number
  readonly #onEnd: (flight: Flight) => void
  #repeatableUntil = 0

  /** @param at its place in the call */
  constructor(number: number, cargo: Cargo, call: Call, at: number, onEnd: (flight: Flight) => void) {
    this.number = number
    this.cargo = cargo
    this.call = call
    this.bytes = cargo.payload.byteLength + cargo.headers.byteLength
    this.mayBatch = cargo.mayBatch
    this.dueAt = call.expiresAt
    this.#at = at
    this.#onEnd = onEnd
  }

  /**
   * Waits for an answer for a third of its whole time before it is sent again. The window runs from the first sight (JS-D3); half of it is
   * left for what the network may do.
   */
  beginAttempt(now: number): void {
    if (!this.isInDoubt) this.#repeatableUntil = now + this.cargo.rememberedMs / 2
    this.attempts++
    const { timeoutMs, expiresAt } = this.call
    const overdueAt = now + Math.max(timeoutMs / 3, MIN_ATTEMPT_MS)
    this.dueAt = overdueAt < this.#repeatableUntil ? Math.min(overdueAt, expiresAt) : expiresAt
  }

  /** Waits to be sent. */
  endAttempt(): void {
    this.dueAt = this.call.expiresAt
  }

  /** Whether sending it again cannot store it twice. */
  isRepeatable(now: number): boolean {
    return !this.isInDoubt || now < this.#repeatableUntil
  }

  accept(sequence: number, duplicate: boolean): void {
    this.#end({ status: 'accepted', stream: this.cargo.stream, sequence, duplicate })
  }

  /** Not stored, now or later. */
  reject(error: BusError): void {
    this.#end({ status: 'rejected', error })
  }

  /** The last attempt was surely not stored, or there was none; an earlier one may have been. */
  refuse(error: BusError): void {
    this.#end({ status: this.isInDoubt ? 'unknown' : 'rejected', error })
  }

  /** It may be stored. */
  doubt(error: BusError): void {
    this.#end({ status: 'unknown', error })
  }

  #end(outcome: PublishOutcome): void {
    this.#onEnd(this)
    this.call.end(this.#at, outcome)
  }
}

/** A busy server's answer may take that long, in ms; sending earlier again only adds to its load. */
const MIN_ATTEMPT_MS = 250

/** Flights by number, linked through themselves: leaving from the middle costs no more than from an end, however many wait. */
export class FlightQueue {
  #first: Flight | undefined
  #last: Flight | undefined
  #size = 0
  #bytes = 0

  get size(): number {
    return this.#size
  }

  get bytes(): number {
    return this.#bytes
  }

  get first(): Flight | undefined {
    return this.#first
  }

  /** What somebody has to look after now. */
  due(now: number): Flight[] {
    const found: Flight[] = []
    for (const flight of this) if (flight.dueAt <= now) found.push(flight)
    return found
  }

  /** When somebody has to look after the first of them, in monotonic ms. */
  earliest(): number {
    let earliest = Number.POSITIVE_INFINITY
    for (const flight of this) earliest = Math.min(earliest, flight.dueAt)
    return earliest
  }

  /** Oldest first. Nothing may be added or removed meanwhile. */
  *[Symbol.iterator](): Iterator<Flight> {
    for (let flight = this.#first; flight !== undefined; flight = flight.after) yield flight
  }

  /** Before those of higher numbers: nearly always at the end, else not far from the start, where what came back lies. */
  add(flight: Flight): void {
    let after: Flight | undefined
    if (this.#last !== undefined && this.#last.number > flight.number) {
      after = this.#first
      while (after !== undefined && after.number < flight.number) after = after.after
    }
    const before = after === undefined ? this.#last : after.before
    flight.before = before
    flight.after = after
    if (before === undefined) this.#first = flight
    else before.after = flight
    if (after === undefined) this.#last = flight
    else after.before = flight
    flight.queue = this
    this.#size++
    this.#bytes += flight.bytes
  }

  /** Nothing happens when it is not here. */
  remove(flight: Flight): boolean {
    if (flight.queue !== this) return false
    const { before, after } = flight
    if (before === undefined) this.#first = after
    else before.after = after
    if (after === undefined) this.#last = before
    else after.before = before
    flight.queue = undefined
    flight.before = undefined
    flight.after = undefined
    this.#size--
    this.#bytes -= flight.bytes
    return true
  }
}
