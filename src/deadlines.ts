/**
 * Deadlines that all lie the same time ahead: ack waits, handler time limits. Items fall due in the order they were added, so a linked list
 * does what a heap would, with adding and removing at a fraction of its cost. Varying delays go to `due-queue.ts`.
 */
import type { Clock, Timer } from './clock.js'

export interface Expiring {
  /** Monotonic ms. Owned by the list while the item is in it, as the next two. */
  expiresAt: number
  expiresBefore: Expiring | undefined
  expiresAfter: Expiring | undefined
}

export class Deadlines<Item extends Expiring> {
  readonly #clock: Clock
  readonly #waitMs: number
  readonly #onExpired: (item: Item) => void
  /** Both ends of a ring: its `After` is the first to expire, its `Before` the last. */
  readonly #ends: Expiring = { expiresAt: 0, expiresBefore: undefined, expiresAfter: undefined }
  #timer: Timer | undefined

  /** @param onExpired called once for each item that expires, after it left the list, earliest first */
  constructor(clock: Clock, waitMs: number, onExpired: (item: Item) => void) {
    this.#clock = clock
    this.#waitMs = waitMs
    this.#onExpired = onExpired
    this.clear()
  }

  /** Starts the item's time, or starts it anew. @param now `clock.monotonic()`, never less than in an earlier call */
  add(item: Item, now: number): void {
    if (item.expiresAfter !== undefined) unlink(item)
    const last = this.#ends.expiresBefore ?? this.#ends
    item.expiresAt = now + this.#waitMs
    link(last, item)
    link(item, this.#ends)
    if (this.#timer === undefined) this.#arm(this.#waitMs)
    else if (last === this.#ends) this.#timer.hold(true)
  }

  /** Nothing happens when the item is not in the list. The timer stays and may find nothing expired: cheaper than re-arming. */
  remove(item: Item): void {
    if (item.expiresAfter === undefined) return
    unlink(item)
    if (this.#ends.expiresAfter === this.#ends) this.#timer?.hold(false)
  }

  /** Forgets every item and releases the timer. */
  clear(): void {
    for (let item = this.#ends.expiresAfter; item !== undefined && item !== this.#ends; item = this.#ends.expiresAfter)
      unlink(item)
    link(this.#ends, this.#ends)
    this.#disarm()
  }

  #fire(): void {
    this.#timer = undefined
    const now = this.#clock.monotonic()
    for (let first = this.#first(); first !== undefined && first.expiresAt <= now; first = this.#first()) {
      unlink(first)
      this.#onExpired(first)
    }
    // What was added meanwhile has set a timer for its own time; older items may be due before that, or nothing may be left.
    this.#disarm()
    const next = this.#first()
    if (next !== undefined) this.#arm(next.expiresAt - now)
  }

  #first(): Item | undefined {
    const first = this.#ends.expiresAfter
    return first === this.#ends ? undefined : (first as Item | undefined)
  }

  #disarm(): void {
    this.#timer?.cancel()
    this.#timer = undefined
  }

  #arm(ms: number): void {
    this.#timer?.cancel()
    this.#timer = this.#clock.timer(ms, () => this.#fire())
  }
}

function link(before: Expiring, after: Expiring): void {
  before.expiresAfter = after
  after.expiresBefore = before
}

function unlink(item: Expiring): void {
  if (item.expiresBefore !== undefined && item.expiresAfter !== undefined) link(item.expiresBefore, item.expiresAfter)
  item.expiresBefore = undefined
  item.expiresAfter = undefined
}
