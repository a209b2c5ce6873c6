/**
 * Atomic batches (ADR-50 of NATS): what waits for a stream goes as one, where each publish alone would cost the server a sync of its own
 * (`docs/adr/0008`). What goes when, and again, is the business of `stream-writer.ts`.
 *
 *   waiting --- nothing else is out ---> out --- stored as a whole ---> accepted, each with its position
 *      ^                                  |
 *      +-- refused as a whole, or nobody knows: each goes alone now, with its id, and learns the truth about itself
 *
 * A batch is never waited for: it holds what came while the publishes before it were under way, and what came in the same turn of the
 * event loop.
 */
import { nuid } from '@nats-io/transport-node'
import type { Connection } from '../connect/connection.js'
import type { JetStreamOptions } from '../connect/options.js'
import { hasFeature } from '../connect/server-version.js'
import { SERVER } from '../failure.js'
import { syncsAlways } from '../report/sync-mode.js'
import type { HeaderBlock } from '../wire.js'
import type { Answer } from './ack.js'
import type { Flight, FlightQueue } from './flight.js'
import { NOBODY, type Setback, STRANGE, setbackOf } from './setback.js'

/** What a server takes (JS-P7). */
export const MOST_IN_BATCH = 1000
/** A batch costs the server about as much as that many publishes, as measured: some syncs, and a folder made and removed. */
export const LEAST_IN_BATCH = 16

/** Some messages of one stream, in order. Only its commit, the last of them, asks for an answer. */
export class Batch {
  /** Also the last token of the reply subject: no number, so that it is no flight's. */
  readonly id = `B${nuid.next()}`
  readonly flights: readonly Flight[]

  constructor(flights: readonly Flight[]) {
    this.flights = flights
  }

  get size(): number {
    return this.flights.length
  }

  /** @param at from 0 */
  headers(flight: Flight, at: number): HeaderBlock {
    return flight.cargo.headers.inBatch(this.id, at + 1, at === this.size - 1)
  }

  /** Where a message lies, when the answer gave the position of the last. */
  sequence(at: number, last: number): number {
    return last - this.size + 1 + at
  }
}

/** Whether publishing in batches pays, and the server has them. Rejects only when the connection is closed. */
export async function batchesPay(connection: Connection, options: JetStreamOptions): Promise<boolean> {
  const isAlways = await syncsAlways(connection, options)
  return isAlways && hasFeature(connection.server.version, 'atomic batches')
}

/** The first of what waits, up to one that has to go alone. */
export function headOf(waiting: FlightQueue, most: number, mostBytes: number): Flight[] {
  const head: Flight[] = []
  let bytes = 0
  for (const flight of waiting) {
    bytes += flight.bytes
    if (!flight.mayBatch || head.length >= most || bytes > mostBytes) break
    head.push(flight)
  }
  return head
}

/** What a batch that was not stored means for its messages. */
export interface Dissolution {
  /** Undefined: surely not stored, and each may go alone at once. */
  readonly setback: Setback | undefined
  /** The stream takes no batches, or its server knows none: the next one would fare no better. */
  readonly isForGood: boolean
}

/** Why the stream would refuse every batch. */
const FOR_GOOD: ReadonlySet<number> = new Set([SERVER.batchesDisabled, SERVER.batchHeaderUnsupported])

/** @param answer to the commit */
export function dissolutionOf(answer: Exclude<Answer, { readonly kind: 'stored' }>): Dissolution {
  if (answer.kind === 'nobody') return { setback: NOBODY, isForGood: false }
  // An older server stores each message by itself, and answers as to a message.
  if (answer.kind === 'strange') return { setback: STRANGE, isForGood: true }
  return { setback: setbackOf(answer), isForGood: FOR_GOOD.has(answer.errorCode) }
}
