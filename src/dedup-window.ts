/**
 * Remembers ids for a while, bounded by time and by count. An id is remembered for exactly the window; seeing it again does not extend
 * that (as on a JetStream server, JS-D3). Two generations: when the younger one is full or as old as the window, the older one is dropped
 * whole, so that forgetting costs nothing and at least the newest half of `maxIds` is kept.
 *
 * Ids are noted when they are added and indexed when somebody asks: most ids were just made and nobody ever asks for them, and a map entry
 * was a tenth of the cost of a message (`npm run bench`, row "memory").
 */
export class DedupWindow<Value> {
  readonly #windowMs: number
  readonly #generationMax: number
  #young = new Generation<Value>()
  #old = new Generation<Value>()
  #rotateAt = Number.POSITIVE_INFINITY

  /**
   * @param windowMs how long an id is remembered; 0 remembers nothing
   * @param maxIds ids held at most, at least 2
   */
  constructor(windowMs: number, maxIds: number) {
    this.#windowMs = windowMs
    this.#generationMax = Math.max(1, Math.floor(maxIds / 2))
  }

  /** Ids held, those whose time has passed but that were not dropped yet included. */
  get size(): number {
    return this.#young.size + this.#old.size
  }

  /** @param now monotonic ms; never less than in an earlier call */
  get(id: string, now: number): Value | undefined {
    return this.#young.get(id, now) ?? this.#old.get(id, now)
  }

  /** Remembers the id from now on. For an id that may be remembered already, ask `get` first: this would start its time anew. */
  add(id: string, value: Value, now: number): void {
    if (this.#windowMs === 0) return
    if (this.#young.size >= this.#generationMax || now >= this.#rotateAt) {
      this.#old = this.#young
      this.#young = new Generation()
    }
    if (this.#young.size === 0) this.#rotateAt = now + this.#windowMs
    this.#young.add(id, value, now + this.#windowMs)
  }
}

class Generation<Value> {
  readonly #ids: string[] = []
  readonly #values: Value[] = []
  readonly #until: number[] = []
  /** From an id to its place in the lists, for the first `#indexed` of them. */
  readonly #places = new Map<string, number>()
  #indexed = 0

  get size(): number {
    return this.#ids.length
  }

  add(id: string, value: Value, until: number): void {
    this.#ids.push(id)
    this.#values.push(value)
    this.#until.push(until)
  }

  get(id: string, now: number): Value | undefined {
    for (; this.#indexed < this.#ids.length; this.#indexed++)
      this.#places.set(this.#ids[this.#indexed] ?? '', this.#indexed)
    const place = this.#places.get(id)
    return place !== undefined && (this.#until[place] ?? 0) > now ? this.#values[place] : undefined
  }
}
