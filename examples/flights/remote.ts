/**
 * Store and pager across a process border: what a worker process and its parent say to each other over IPC, and the worker's end of it.
 * The bus is not used for it, since the bus is what is being killed.
 */

import type { Repair } from './connect.js'
import type { Flight } from './data.js'
import type { Paging, Store } from './downstream.js'
import type { AirportFigures, ConsumerFigures } from './figures.js'

export type Call =
  | { readonly to: 'load'; readonly airport: string }
  | {
      readonly to: 'save'
      readonly airport: string
      readonly row: AirportFigures
      readonly flight: Flight
      readonly line: number
    }
  | { readonly to: 'page'; readonly flight: Flight; readonly line: number }

/** What the consumers of one worker process have done, by name. */
export type WorkerFigures = Readonly<Record<string, ConsumerFigures & { readonly duplicates: number }>>

export type FromWorker =
  | { readonly kind: 'ready' }
  | { readonly kind: 'figures'; readonly figures: WorkerFigures }
  | { readonly kind: 'repaired'; readonly repair: Repair }
  | { readonly kind: 'call'; readonly number: number; readonly call: Call }

export type ToWorker =
  | { readonly kind: 'stop' }
  /** One of both, or neither. */
  | { readonly kind: 'answer'; readonly number: number; readonly row?: AirportFigures; readonly error?: string }

/** Both things, as a worker process sees them. */
export class RemoteDownstream implements Store, Paging {
  readonly #send: (message: FromWorker) => void
  readonly #waiting = new Map<number, Waiting>()
  #calls = 0

  constructor(send: (message: FromWorker) => void) {
    this.#send = send
  }

  load(airport: string): Promise<AirportFigures | undefined> {
    return this.#call({ to: 'load', airport })
  }

  async save(airport: string, row: AirportFigures, flight: Flight, line: number): Promise<void> {
    await this.#call({ to: 'save', airport, row, flight, line })
  }

  async page(flight: Flight, line: number): Promise<void> {
    await this.#call({ to: 'page', flight, line })
  }

  onAnswer({ number, row, error }: Extract<ToWorker, { kind: 'answer' }>): void {
    const call = this.#waiting.get(number)
    this.#waiting.delete(number)
    if (error === undefined) call?.resolve(row)
    else call?.reject(new Error(error))
  }

  #call(call: Call): Promise<AirportFigures | undefined> {
    const number = this.#calls++
    return new Promise((resolve, reject) => {
      this.#waiting.set(number, { resolve, reject })
      this.#send({ kind: 'call', number, call })
    })
  }
}

interface Waiting {
  readonly resolve: (row: AirportFigures | undefined) => void
  readonly reject: (error: Error) => void
}
