/**
 * What the consumers talk to: a store and a pager that behave like things across a network. They take their time, and they fail
 * for some flights at first, which makes the retries of the demo real.
 */
import { setImmediate as nextTurn } from 'node:timers/promises'
import { type Flight, pagerRefusals, storeRefusals } from './data.js'
import type { AirportFigures } from './figures.js'

/** What the statistics need of a store. */
export interface Store {
  load(airport: string): Promise<AirportFigures | undefined>
  /** Throws when it is busy; the caller may try again. */
  save(airport: string, row: AirportFigures, flight: Flight, line: number): Promise<void>
}

/** What the alerts need of a pager. */
export interface Paging {
  /** Throws when the line is busy; the caller may try again. Somebody is paged once about a line, however often it is asked for. */
  page(flight: Flight, line: number): Promise<void>
}

/** Statistics by airport, read and written in two separate calls: whoever works on one airport twice at a time loses an update. */
export class AirportStore implements Store {
  readonly rows = new Map<string, AirportFigures>()
  readonly #refused = new Refusals()

  async load(airport: string): Promise<AirportFigures | undefined> {
    await nextTurn()
    return this.rows.get(airport)
  }

  async save(airport: string, row: AirportFigures, flight: Flight, line: number): Promise<void> {
    await nextTurn()
    this.#refused.refuse(line, storeRefusals(flight), 'the store is busy')
    this.rows.set(airport, row)
  }
}

/** Pages whoever waits at the destination. */
export class Pager implements Paging {
  /** Lines of the flights somebody was paged about. */
  readonly paged = new Set<number>()
  /** Pages asked for again after they had been sent. */
  repeated = 0
  readonly #refused = new Refusals()

  async page(flight: Flight, line: number): Promise<void> {
    await nextTurn()
    this.#refused.refuse(line, pagerRefusals(flight), 'the pager does not answer')
    if (this.paged.has(line)) this.repeated++
    this.paged.add(line)
  }
}

class Refusals {
  readonly #calls = new Map<number, number>()

  /** Throws for the first `times` calls about this line. */
  refuse(line: number, times: number, reason: string): void {
    const calls = this.#calls.get(line) ?? 0
    this.#calls.set(line, calls + 1)
    if (calls < times) throw new Error(reason)
  }
}
