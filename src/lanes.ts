/**
 * Order by key: one delivery of a key runs at a time, the lowest sequence first, and a failed one parks its key until it comes back.
 * Other keys are not held up. Knows nothing of handlers, time or backends.
 *
 *            enter                      next
 *   (new) ---------> waiting -----------------------> running ----- leave ----> (gone)
 *                       ^                                |
 *                       |  enter (it comes back)         |  park (it failed)
 *                       +-------------- absent <---------+
 *                                         ^
 *                     expect (an earlier feed left it unsettled)
 *
 * A key starts nothing while it is running something, or while a lower sequence is absent.
 */
import { Ring } from './ring.js'

export interface Keyed {
  readonly message: { readonly key: string | undefined; readonly sequence: number }
}

interface Lane<Item extends Keyed> {
  readonly waiting: Ring<Item>
  readonly absent: Set<number>
  running: boolean
}

export class Lanes<Item extends Keyed> {
  readonly #lanes = new Map<string, Lane<Item>>()
  #waiting = 0

  /** Deliveries that wait for their turn. */
  get waiting(): number {
    return this.#waiting
  }

  /** Keys that are running, waiting or awaited. */
  get size(): number {
    return this.#lanes.size
  }

  /** @returns the delivery that may start now and counts as running: this one, a waiting one that it sets free, or none */
  enter(item: Item): Item | undefined {
    const { key, sequence } = item.message
    if (key === undefined) return item
    const lane = this.#lane(key)
    lane.absent.delete(sequence)
    insert(lane.waiting, item)
    this.#waiting++
    return this.#next(key, lane)
  }

  /** The running delivery of the key is settled for good. @returns the key's next delivery, which now counts as running */
  leave(item: Item): Item | undefined {
    const { key } = item.message
    const lane = key === undefined ? undefined : this.#lanes.get(key)
    if (key === undefined || lane === undefined) return undefined
    lane.running = false
    return this.#next(key, lane)
  }

  /** The running delivery of the key will come back. @returns the key's next delivery: one of a lower sequence, if any */
  park(item: Item): Item | undefined {
    const { key, sequence } = item.message
    if (key !== undefined) this.#lanes.get(key)?.absent.add(sequence)
    return this.leave(item)
  }

  /** A message that this process has not seen will come; newer ones of its key wait for it. */
  expect(message: Keyed['message']): void {
    if (message.key !== undefined) this.#lane(message.key).absent.add(message.sequence)
  }

  /** An absent message will not come back. @returns the delivery that this sets free, which now counts as running */
  forget(message: Keyed['message']): Item | undefined {
    const { key, sequence } = message
    const lane = key === undefined ? undefined : this.#lanes.get(key)
    if (key === undefined || lane === undefined || !lane.absent.delete(sequence)) return undefined
    return this.#next(key, lane)
  }

  /** Takes everything that waits, for handing back. */
  drain(): Item[] {
    const items = [...this.#lanes.values()].flatMap((lane) => lane.waiting.drain())
    this.#waiting = 0
    return items
  }

  #next(key: string, lane: Lane<Item>): Item | undefined {
    if (lane.running) return undefined
    const first = lane.waiting.peek()
    if (first !== undefined && mayStart(lane, first.message.sequence)) {
      lane.waiting.shift()
      lane.running = true
      this.#waiting--
      return first
    }
    if (first === undefined && lane.absent.size === 0) this.#lanes.delete(key)
    return undefined
  }

  #lane(key: string): Lane<Item> {
    const known = this.#lanes.get(key)
    if (known !== undefined) return known
    const lane: Lane<Item> = { waiting: new Ring(2), absent: new Set(), running: false }
    this.#lanes.set(key, lane)
    return lane
  }
}

function mayStart<Item extends Keyed>(lane: Lane<Item>, sequence: number): boolean {
  for (const absent of lane.absent) if (absent < sequence) return false
  return true
}

/** Nearly always an append: only redeliveries come out of order. */
function insert<Item extends Keyed>(waiting: Ring<Item>, item: Item): void {
  const newest = waiting.last()
  if (newest === undefined || newest.message.sequence < item.message.sequence) return waiting.push(item)
  const all = [...waiting.drain(), item].sort((a, b) => a.message.sequence - b.message.sequence)
  for (const each of all) waiting.push(each)
}
