/**
 * A first-in, first-out queue on a ring buffer: adding and taking are O(1), and nothing is shifted.
 */
export class Ring<Item> {
  #slots: (Item | undefined)[]
  #head = 0
  #size = 0

  /** @param capacity initial room, rounded up to a power of two; it doubles when full */
  constructor(capacity = 16) {
    this.#slots = new Array(2 ** Math.ceil(Math.log2(Math.max(2, capacity))))
  }

  get size(): number {
    return this.#size
  }

  push(item: Item): void {
    if (this.#size === this.#slots.length) this.#grow()
    this.#slots[(this.#head + this.#size) & (this.#slots.length - 1)] = item
    this.#size++
  }

  /** The oldest. */
  peek(): Item | undefined {
    return this.#slots[this.#head]
  }

  /** The newest. */
  last(): Item | undefined {
    return this.#slots[(this.#head + this.#size - 1) & (this.#slots.length - 1)]
  }

  shift(): Item | undefined {
    if (this.#size === 0) return undefined
    const item = this.#slots[this.#head]
    this.#slots[this.#head] = undefined
    this.#head = (this.#head + 1) & (this.#slots.length - 1)
    this.#size--
    return item
  }

  /** Takes everything, oldest first. */
  drain(): Item[] {
    const items: Item[] = []
    for (let item = this.shift(); item !== undefined; item = this.shift()) items.push(item)
    return items
  }

  #grow(): void {
    const { length } = this.#slots
    const slots: (Item | undefined)[] = new Array(length * 2)
    for (let at = 0; at < length; at++) slots[at] = this.#slots[(this.#head + at) & (length - 1)]
    this.#slots = slots
    this.#head = 0
  }
}
