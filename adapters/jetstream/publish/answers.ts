/**
 * How sent messages and their answers find each other: one subscription for all answers, a number for each flight, and one timer for
 * all time limits. What an answer means is not known here.
 */
import { errors, type Msg, type Subscription } from '@nats-io/transport-node'
import type { Timer } from '../../../src/clock.js'
import type { BusError } from '../../../src/errors.js'
import type { Connection } from '../connect/connection.js'
import { clientFailure, failure } from '../failure.js'
import type { Batch } from './batches.js'
import { type Call, type Cargo, Flight } from './flight.js'
import { FlightTable } from './flight-table.js'

/** Limits that lie closer together are looked at together. */
const TICK_MS = 5
const NEVER = Number.POSITIVE_INFINITY

export interface Hearing {
  onAnswer(flight: Flight, message: Msg): void
  /** @param id of a batch, or of nothing that is still awaited */
  onBatchAnswer(id: string, message: Msg): void
  /** Answers cannot come any more: the server forbids the subscription. */
  onDeaf(error: BusError): void
  /** @returns when to call again, in monotonic ms */
  onTime(now: number): number
}

export class Answers {
  /** Flights that were sent and have not ended. */
  readonly #flights = new FlightTable()
  readonly #connection: Connection
  readonly #hearing: Hearing
  readonly #forget = (flight: Flight): void => {
    this.#flights.delete(flight)
    if (--this.#underWay === 0) this.#onIdle()
  }
  #count = 0
  #underWay = 0
  #onIdle: () => void = () => {}
  #subscription: Subscription | undefined
  #inbox = ''
  #timer: Timer | undefined
  #wakesAt = NEVER

  constructor(connection: Connection, hearing: Hearing) {
    this.#connection = connection
    this.#hearing = hearing
  }

  /** Throws `BUS_CLOSED` unless the connection is open. */
  listen(): void {
    const { nats } = this.#connection
    if (this.#subscription !== undefined) return
    const inbox = `${this.#connection.inbox()}.`
    const subscription = nats.subscribe(`${inbox}*`, {
      callback: (error, message) => {
        if (error === null) this.#receive(message)
        else if (subscription === this.#subscription) this.#deaf(error)
      },
    })
    this.#inbox = inbox
    this.#subscription = subscription
  }

  /** A flight that answers will find, from its first attempt until it ends. @param at its place in the call */
  flight(cargo: Cargo, call: Call, at: number): Flight {
    this.#underWay++
    return new Flight(++this.#count, cargo, call, at, this.#forget)
  }

  /** Throws when the client does not take it, and then it was not sent. */
  send(flight: Flight): void {
    const { number, cargo } = flight
    if (flight.attempts === 1) this.#flights.add(flight)
    try {
      this.#connection.nats.publish(cargo.subject, cargo.payload, {
        reply: this.#inbox + number,
        headers: cargo.headers.asHeaders(),
      })
    } catch (thrown) {
      // After a reconnect it may be another server, with another limit.
      if (!(thrown instanceof errors.InvalidArgumentError)) throw thrown
      const problem = 'it is larger than the server allows. Publish less, or raise its max_payload'
      throw failure(`publish to ${cargo.subject}`, 'BUS_TOO_LARGE', problem, thrown)
    }
  }

  /** Its flights are sent for the first time. Throws when the client does not take one of them, and then the commit was not sent. */
  sendBatch(batch: Batch): void {
    const { nats } = this.#connection
    for (const flight of batch.flights) this.#flights.add(flight)
    batch.flights.forEach((flight, at) => {
      const { subject, payload } = flight.cargo
      const headers = batch.headers(flight, at).asHeaders()
      const isCommit = at === batch.size - 1
      nats.publish(subject, payload, isCommit ? { headers, reply: this.#inbox + batch.id } : { headers })
    })
  }

  /** Resolves when every flight has ended. */
  idle(): Promise<void> {
    if (this.#underWay === 0) return Promise.resolve()
    return new Promise((resolve) => {
      this.#onIdle = resolve
    })
  }

  /** Has `onTime` called at that time, or before. */
  wakeAt(at: number): void {
    if (at >= this.#wakesAt) return
    const { clock } = this.#connection.host
    this.#timer?.cancel()
    this.#wakesAt = at
    this.#timer = clock.timer(at - clock.monotonic(), () => this.#wake(), { ref: false })
  }

  close(): void {
    this.#timer?.cancel()
    this.#subscription?.unsubscribe()
    this.#subscription = undefined
  }

  #receive(message: Msg): void {
    const token = message.subject.slice(this.#inbox.length)
    const flight = this.#flights.get(Number(token))
    // None: an earlier attempt was answered already, or it is a batch.
    if (flight !== undefined) this.#hearing.onAnswer(flight, message)
    else this.#hearing.onBatchAnswer(token, message)
  }

  /** The next publish tries to subscribe again. */
  #deaf(error: Error): void {
    this.#subscription = undefined
    this.#hearing.onDeaf(clientFailure('receive answers to publishes', error))
  }

  #wake(): void {
    this.#timer = undefined
    this.#wakesAt = NEVER
    const now = this.#connection.host.clock.monotonic()
    const next = this.#hearing.onTime(now)
    if (next < NEVER) this.wakeAt(Math.max(next, now + TICK_MS))
  }
}
