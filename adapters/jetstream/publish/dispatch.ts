/** What a stream's writer is lent by the publisher: the one connection, its clock, and what all writers share. */
import type { Batch } from './batches.js'
import type { Flight } from './flight.js'
import type { StreamWriter } from './stream-writer.js'

/** The way to the server, shared by all writers. */
export interface Dispatch {
  readonly isUp: boolean
  /** Flights of one stream that may be out at a time. */
  readonly window: number
  /** Atomic batches pay, as far as this connection knows. */
  readonly isBatching: boolean
  /** Bytes that wait, of all streams together. */
  waitingBytes: number
  readonly maxWaitingBytes: number
  /** Monotonic ms. */
  now(): number
  /** Throws when the client does not take it. */
  send(flight: Flight): void
  /** Throws when the client does not take all of it: then it is not stored. */
  sendBatch(batch: Batch): void
  /** Calls back within this turn of the event loop, or right after it. */
  defer(callback: () => void): void
  /** Has every writer swept at that time, or before. */
  wakeAt(at: number): void
  /** A flight came back without a word of its stream. */
  onStreamInDoubt(writer: StreamWriter, flight: Flight): void
}
