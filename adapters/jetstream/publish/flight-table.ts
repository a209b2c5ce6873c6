/**
 * Flights by their numbers. Numbers rise and flights are short, so a slot is nearly always free again when its turn comes; a flight that
 * is still out by then moves to a map. A map alone would cost a third of a publish: its discarded tables, once old, keep every flight
 * that they held alive until a full garbage collection.
 */
import type { Flight } from './flight.js'

/** A power of two, some times the usual window. */
const SLOTS = 4096

export class FlightTable {
  readonly #slots: (Flight | undefined)[] = new Array(SLOTS).fill(undefined)
  readonly #slow = new Map<number, Flight>()

  add(flight: Flight): void {
    const slot = flight.number & (SLOTS - 1)
    const earlier = this.#slots[slot]
    if (earlier !== undefined) this.#slow.set(earlier.number, earlier)
    this.#slots[slot] = flight
  }

  get(number: number): Flight | undefined {
    const flight = this.#slots[number & (SLOTS - 1)]
    return flight?.number === number ? flight : this.#slow.get(number)
  }

  /** Nothing happens when it is not here. */
  delete(flight: Flight): void {
    const slot = flight.number & (SLOTS - 1)
    if (this.#slots[slot] === flight) this.#slots[slot] = undefined
    else this.#slow.delete(flight.number)
  }
}
