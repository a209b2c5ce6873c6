/**
 * What the consumers talk to: a store and a pager that behave like things across a network. They take their time, and they fail
 * for some flights at first, which makes the retries of the demo real.
 */
import { setImmediate as nextTurn } from 'node:timers/promises'
import { type Flight, pagerRefusals, storeRefusals } from './data.js'
import type { AirportFigures } from './figures.js'

/** Statistics by airport, read and written in two separate calls: whoever works on one airport twice at a time loses an update. */
export class AirportStore {
  readonly rows = new Map<string, AirportFigures>()
  readonly #refused = new Refusals()

  async load(airport: string): Promise<AirportFigures | undefined> {
    await nextTurn()
    return this.rows.get(airport)
  }

  /** Throws when it is busy; the caller may try again. */
  async save(airport: string, row: AirportFigures, flight: Flight, line: number): Promise<void> {
    await nextTurn()
    this.#refused.refuse(line, storeRefusals(flight), 'the store is busy')
    this.rows.set(airport, row)
  }
}

/** Pages whoever waits at the destination. */
export class Pager {
  /** Lines of the flights somebody was paged about, one entry a page. */
  readonly paged: number[] = []
  readonly #refused = new Refusals()

  /** Throws when the line is busy; the caller may try again. */
  async page(flight: Flight, line: number): Promise<void> {
    await nextTurn()
    this.#refused.refuse(line, pagerRefusals(flight), 'the pager does not answer')
    this.paged.push(line)
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
