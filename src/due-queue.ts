/**
 * Things that fall due, with one clock timer for all of them: ack waits, delays, handler timeouts.
 * An intrusive binary heap: adding in time order and removing cost next to nothing, so no message needs a timer of its own.
 */
import type { Clock, Timer } from './clock.js'

export interface Due {
  /** Monotonic ms (`clock.monotonic()`). Owned by the queue while the item is in it. */
  dueAt: number
  /** Place in the heap, or -1 when not queued. Owned by the queue. */
  dueSlot: number
  /** Breaks ties: what was queued first falls due first. Owned by the queue. */
  dueOrder: number
}

export class DueQueue<Item extends Due> {
  readonly #clock: Clock
  readonly #onDue: (item: Item) => void
  readonly #ref: boolean
  readonly #heap: Item[] = []
  #order = 0
  #timer: Timer | undefined
  #timerAt = Number.POSITIVE_INFINITY

  /** @param onDue called once for each item that falls due, after it left the queue, earliest first */
  constructor(clock: Clock, onDue: (item: Item) => void, options: { readonly ref?: boolean } = {}) {
    this.#clock = clock
    this.#onDue = onDue
    this.#ref = options.ref ?? true
  }

  get size(): number {
    return this.#heap.length
  }

  /** Queues the item, or moves it when it is queued already. */
  add(item: Item, dueAt: number): void {
    if (item.dueSlot >= 0) this.remove(item)
    item.dueAt = dueAt
    item.dueOrder = this.#order++
    if (this.#heap.length === 0 && this.#ref) this.#timer?.hold(true)
    this.#place(item, this.#heap.length)
    this.#up(item)
    if (dueAt < this.#timerAt) this.#arm(dueAt)
  }

  /** Takes the item out; nothing happens when it is not queued. The timer stays and may find nothing due: cheaper than re-arming. */
  remove(item: Item): void {
    const slot = item.dueSlot
    if (slot < 0) return
    item.dueSlot = -1
    const last = this.#heap.pop()
    if (last === undefined || last === item) {
      if (this.#heap.length === 0) this.#timer?.hold(false)
      return
    }
    this.#place(last, slot)
    this.#up(last)
    this.#down(last)
  }

  *items(): Iterable<Item> {
    yield* this.#heap
  }

  /** Forgets every item and releases the timer. */
  clear(): void {
    for (const item of this.#heap) item.dueSlot = -1
    this.#heap.length = 0
    this.#disarm()
  }

  #fire(): void {
    this.#disarm()
    const now = this.#clock.monotonic()
    for (let first = this.#heap[0]; first !== undefined && first.dueAt <= now; first = this.#heap[0]) {
      this.remove(first)
      this.#onDue(first)
    }
    const next = this.#heap[0]
    if (next !== undefined && next.dueAt < this.#timerAt) this.#arm(next.dueAt)
  }

  #arm(dueAt: number): void {
    this.#timer?.cancel()
    this.#timerAt = dueAt
    this.#timer = this.#clock.timer(dueAt - this.#clock.monotonic(), () => this.#fire(), { ref: this.#ref })
  }

  #disarm(): void {
    this.#timer?.cancel()
    this.#timer = undefined
    this.#timerAt = Number.POSITIVE_INFINITY
  }

  #place(item: Item, slot: number): void {
    this.#heap[slot] = item
    item.dueSlot = slot
  }

  #up(item: Item): void {
    for (let slot = item.dueSlot; slot > 0; slot = item.dueSlot) {
      const parent = this.#heap[(slot - 1) >> 1]
      if (parent === undefined || !isBefore(item, parent)) return
      this.#place(parent, slot)
      this.#place(item, (slot - 1) >> 1)
    }
  }

  #down(item: Item): void {
    for (;;) {
      const left = 2 * item.dueSlot + 1
      const smaller = this.#earlier(this.#heap[left], this.#heap[left + 1])
      if (smaller === undefined || !isBefore(smaller, item)) return
      const slot = smaller.dueSlot
      this.#place(smaller, item.dueSlot)
      this.#place(item, slot)
    }
  }

  #earlier(a: Item | undefined, b: Item | undefined): Item | undefined {
    if (a === undefined || b === undefined) return a ?? b
    return isBefore(b, a) ? b : a
  }
}

function isBefore(a: Due, b: Due): boolean {
  return a.dueAt < b.dueAt || (a.dueAt === b.dueAt && a.dueOrder < b.dueOrder)
}
