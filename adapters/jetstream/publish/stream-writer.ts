/**
 * What one stream is sent, and in which order. Flights go out in the order of their numbers, many at a time. One that comes back (nobody
 * took it, its answer is overdue, the link was lost) holds up every later one that was not sent yet, of the same batch or not, until it
 * went out again alone and was answered: so a retry is overtaken by nothing but what was on its way with it already, and messages of
 * one key keep their order through a leader change or a restart of the server.
 *
 *   flowing --- one comes back ---> held --- pause over, link up: the oldest goes alone ---> probing
 *      ^                             ^----------------- it comes back too ------------------+  |
 *      +------------------------------------- it is answered ----------------------------------+
 *
 * While the link is down everything waits here, bounded, instead of in the client's unbounded buffer (JS-R3).
 *
 * Where batches pay, and the stream flows, what waits goes as one (`batches.ts`), and while a batch is out, nothing else is: so a batch that
 * fails is overtaken by nothing.
 */
import type { Msg } from '@nats-io/transport-node'
import type { BusError } from '../../../src/errors.js'
import { clientFailure, failure } from '../failure.js'
import { AckReader } from './ack.js'
import { Batch, dissolutionOf, headOf, LEAST_IN_BATCH, MOST_IN_BATCH } from './batches.js'
import type { Dispatch } from './dispatch.js'
import { type Flight, FlightQueue } from './flight.js'
import { LOST, type Setback, SILENCE } from './setback.js'

/** Bytes sent and not acknowledged; one message goes whatever its size. */
const WINDOW_BYTES = 16 * 1024 * 1024
/** Between the attempts at a stream that does not answer well; doubled each time. */
const FIRST_PAUSE_MS = 20
const LONGEST_PAUSE_MS = 500

const NEVER = Number.POSITIVE_INFINITY

export class StreamWriter {
  readonly stream: string
  readonly reader: AckReader
  readonly #dispatch: Dispatch
  readonly #sent = new FlightQueue()
  readonly #waiting = new FlightQueue()
  /** While one is out, it is all that is out; those of its flights that ended early are still in it. */
  #batch: Batch | undefined
  /** Until the link is a new one. */
  #isBatchRefused = false
  #isPumpDue = false
  #isHeld = false
  #probe: Flight | undefined
  #pauseMs = 0
  #resumesAt = 0
  readonly #denials = new Map<string, { readonly times: number; readonly error: Error }>()
  /** Why flights came back, for those that run out of time. */
  #trouble = ''

  constructor(stream: string, dispatch: Dispatch) {
    this.stream = stream
    this.reader = new AckReader(stream)
    this.#dispatch = dispatch
  }

  /** Sends it, or lets it wait for its turn. */
  add(flight: Flight, now: number): void {
    if (this.#waiting.size === 0 && this.#isClear(now) && !this.#mayGather(flight)) return this.#send(flight, now)
    if (!this.#hasRoom(flight)) {
      const problem = `${this.#reason()}, and ${tooMuch(this.#dispatch.waitingBytes)}`
      return flight.refuse(this.#failure(flight, 'BUS_UNAVAILABLE', problem))
    }
    this.#wait(flight)
    if (!this.#isHeld) this.#pumpSoon()
    else if (this.#isClear(now)) this.pump(now)
  }

  /** It has been answered for good: it leaves, and others follow. */
  settled(flight: Flight): void {
    this.#leave(flight)
    if (flight === this.#probe) {
      this.#probe = undefined
      this.#isHeld = false
    }
    if (this.#denials.size > 0) this.#endDenied(flight.cargo.subject)
    if (this.#waiting.size > 0 && !this.#pumpSoon()) this.pump(this.#dispatch.now())
  }

  /** @returns false when it is no batch of this writer, or none that is still out */
  batchAnswered(id: string, message: Msg): boolean {
    const batch = this.#batch
    if (batch?.id !== id) return false
    const answer = this.reader.readBatch(message, batch)
    if (answer.kind === 'stored') this.#batchStored(batch, answer.sequence)
    else {
      const { setback, isForGood } = dissolutionOf(answer)
      this.#isBatchRefused ||= isForGood
      this.#recall(setback)
    }
    return true
  }

  /**
   * The server forbids a subject. It says so once for each attempt, but not for which: only when it said so as often as there are
   * publishes to the subject, it is true of all of them. The others are acknowledged meanwhile.
   */
  denied(subject: string, error: Error): void {
    const times = (this.#denials.get(subject)?.times ?? 0) + 1
    this.#denials.set(subject, { times, error })
    this.#endDenied(subject)
  }

  /** It has to go again. */
  comeBack(flight: Flight, { trouble, isInDoubt, isStreamInDoubt }: Setback): void {
    const now = this.#dispatch.now()
    const wasProbe = flight === this.#probe
    if (wasProbe) this.#probe = undefined
    this.#trouble = trouble
    if (isInDoubt) flight.isInDoubt = true
    this.#leave(flight)
    if (flight.isRepeatable(now)) this.#wait(flight)
    else flight.doubt(this.#failure(flight, 'BUS_UNAVAILABLE', `${trouble}, ${UNRECOGNISED}`))
    this.#hold(now, wasProbe)
    if (isStreamInDoubt) this.#dispatch.onStreamInDoubt(this, flight)
  }

  /** The link is lost: what was out cannot be answered any more. */
  lost(): void {
    this.#isBatchRefused = false
    this.#recall(LOST)
  }

  /** Sends what may go. */
  pump(now: number): void {
    while (this.#waiting.first !== undefined && this.#isClear(now)) {
      const flight = this.#waiting.first
      if (this.#mayGroup(flight) && this.#isBatchReady()) {
        // Each would follow alone as soon as it comes, and never would enough of them wait.
        if (this.#sent.size > 0) return
        this.#sendBatch(now)
        continue
      }
      this.#leave(flight)
      this.#send(flight, now)
    }
  }

  /** Ends what ran out of time, takes back what was not answered. @returns when to come again, in monotonic ms */
  sweep(now: number): number {
    let isBatchOverdue = false
    for (const flight of this.#waiting.due(now)) this.#expire(flight)
    for (const flight of this.#sent.due(now)) {
      if (now >= flight.call.expiresAt) this.#expire(flight)
      else if (this.#batch === undefined) this.comeBack(flight, SILENCE)
      else isBatchOverdue = true
    }
    if (isBatchOverdue) this.#recall(SILENCE)
    if (this.#sent.size === 0) this.#batch = undefined
    this.pump(now)
    const resumesAt = this.#isHeld && this.#probe === undefined && this.#waiting.size > 0 ? this.#resumesAt : NEVER
    const next = Math.min(this.#waiting.earliest(), this.#sent.earliest())
    return this.#dispatch.isUp ? Math.min(next, resumesAt) : next
  }

  /** Ends what waits and answers to a description, as not stored. */
  refuseWaiting(which: (flight: Flight) => boolean, why: (flight: Flight) => BusError): void {
    for (const flight of [...this.#waiting].filter(which)) {
      this.#leave(flight)
      flight.refuse(why(flight))
    }
  }

  /** Ends everything. */
  close(why: (flight: Flight) => BusError): void {
    this.refuseWaiting(() => true, why)
    for (const flight of [...this.#sent]) {
      this.#leave(flight)
      flight.doubt(why(flight))
    }
    this.#batch = undefined
  }

  #endDenied(subject: string): void {
    const denial = this.#denials.get(subject)
    if (denial === undefined) return
    const flights = [...this.#sent].filter(({ cargo }) => cargo.subject === subject)
    if (denial.times < flights.length) return
    this.#denials.delete(subject)
    for (const flight of flights) {
      flight.refuse(clientFailure(what(flight), denial.error))
      this.settled(flight)
    }
    // A batch that lacks some of its messages cannot be stored.
    if (flights.length > 0 && this.#batch !== undefined) this.#recall()
  }

  #isClear(now: number): boolean {
    if (!this.#dispatch.isUp || this.#batch !== undefined) return false
    if (this.#isHeld) return this.#probe === undefined && now >= this.#resumesAt
    return this.#sent.size < this.#dispatch.window && this.#sent.bytes < WINDOW_BYTES
  }

  #send(flight: Flight, now: number): void {
    if (!flight.isRepeatable(now))
      return flight.doubt(this.#failure(flight, 'BUS_UNAVAILABLE', `${this.#trouble}, ${UNRECOGNISED}`))
    flight.beginAttempt(now)
    if (this.#isHeld) this.#probe = flight
    this.#sent.add(flight)
    try {
      this.#dispatch.send(flight)
      this.#dispatch.wakeAt(flight.dueAt)
    } catch (thrown) {
      this.#sent.remove(flight)
      if (this.#isHeld) this.#probe = undefined
      flight.refuse(clientFailure(what(flight), thrown))
    }
  }

  #hasRoom(flight: Flight): boolean {
    return this.#dispatch.waitingBytes + flight.bytes <= this.#dispatch.maxWaitingBytes
  }

  #mayGroup(flight: Flight): boolean {
    return this.#dispatch.isBatching && flight.mayBatch && !this.#isHeld && !this.#isBatchRefused
  }

  /** Whether to see first what else comes in this turn of the event loop. */
  #mayGather(flight: Flight): boolean {
    return this.#mayGroup(flight) && this.#hasRoom(flight)
  }

  /** Whether enough waits, or will when those come again that are out: fewer are faster each alone. */
  #isBatchReady(): boolean {
    const missing = LEAST_IN_BATCH - this.#sent.size
    return headOf(this.#waiting, missing, WINDOW_BYTES).length >= missing
  }

  /** @returns false when nothing is gained by that */
  #pumpSoon(): boolean {
    if (!this.#dispatch.isBatching) return false
    if (this.#isPumpDue) return true
    this.#isPumpDue = true
    this.#dispatch.defer(() => {
      this.#isPumpDue = false
      this.pump(this.#dispatch.now())
    })
    return true
  }

  #sendBatch(now: number): void {
    const most = Math.min(MOST_IN_BATCH, this.#dispatch.window)
    const batch = new Batch(headOf(this.#waiting, most, WINDOW_BYTES))
    for (const flight of batch.flights) {
      this.#leave(flight)
      flight.mayBatch = false
      flight.beginAttempt(now)
      this.#sent.add(flight)
    }
    this.#batch = batch
    try {
      this.#dispatch.sendBatch(batch)
      this.#dispatch.wakeAt(this.#sent.earliest())
    } catch {
      // Whichever it was, it will be refused when it goes alone.
      this.#recall()
    }
  }

  #batchStored(batch: Batch, last: number): void {
    this.#batch = undefined
    batch.flights.forEach((flight, at) => {
      if (this.#sent.remove(flight)) flight.accept(batch.sequence(at, last), false)
    })
    if (this.#waiting.size > 0 && !this.#pumpSoon()) this.pump(this.#dispatch.now())
  }

  /** All that is out has to go again, the batch's messages each alone. Without a setback: surely not stored, and at once. */
  #recall(setback?: Setback): void {
    this.#batch = undefined
    for (const flight of [...this.#sent].reverse()) {
      if (setback !== undefined) this.comeBack(flight, setback)
      else {
        this.#leave(flight)
        this.#wait(flight)
      }
    }
    this.pump(this.#dispatch.now())
  }

  #wait(flight: Flight): void {
    flight.endAttempt()
    this.#waiting.add(flight)
    this.#dispatch.waitingBytes += flight.bytes
    this.#dispatch.wakeAt(flight.call.expiresAt)
  }

  #leave(flight: Flight): void {
    if (this.#waiting.remove(flight)) this.#dispatch.waitingBytes -= flight.bytes
    else this.#sent.remove(flight)
  }

  #hold(now: number, isAgain: boolean): void {
    if (this.#isHeld && !isAgain) return
    this.#pauseMs = isAgain ? Math.min(2 * this.#pauseMs, LONGEST_PAUSE_MS) : FIRST_PAUSE_MS
    this.#isHeld = true
    this.#resumesAt = now + this.#pauseMs
    this.#dispatch.wakeAt(this.#resumesAt)
  }

  #expire(flight: Flight): void {
    const wasSent = flight.queue === this.#sent || flight.isInDoubt
    this.#leave(flight)
    if (flight === this.#probe) this.#probe = undefined
    const within = `within ${flight.call.timeoutMs} ms`
    if (wasSent) flight.doubt(this.#failure(flight, 'BUS_TIMEOUT', `the server did not answer ${within}. ${SILENT}`))
    else {
      const problem = `${this.#reason()}, and it could not be sent ${within}. Publish it again later`
      flight.refuse(this.#failure(flight, 'BUS_UNAVAILABLE', problem))
    }
  }

  #reason(): string {
    if (!this.#dispatch.isUp) return 'there is no connection to the server'
    return this.#isHeld ? this.#trouble : 'too many publishes are on their way'
  }

  #failure(flight: Flight, code: 'BUS_UNAVAILABLE' | 'BUS_TIMEOUT', problem: string): BusError {
    return failure(what(flight), code, problem)
  }
}

/** The stream's window is too short, or has none. */
const UNRECOGNISED = 'and the stream would not recognise it when it is sent again. Look whether it is stored'
/** A full disk shows as silence, until the server is restarted (JS-X1). */
const SILENT =
  'Publish it again with the same id; if the server stays silent, look at its disk, and restart it when there is room'

export function what(flight: Flight): string {
  return `publish to ${flight.cargo.subject}`
}

function tooMuch(bytes: number): string {
  return `${bytes} bytes wait already. Publish slower, or raise maxWaitingBytes`
}
