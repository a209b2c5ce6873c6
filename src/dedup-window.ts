/**
 * Remembers ids for a while, bounded by time and by count. An id is remembered for exactly the window; seeing it again does not extend
 * that (as on a JetStream server, JS-D3). Ids live in two generations: when the younger one is full or as old as the window, the older
 * one is dropped whole. That forgets a thousand ids as cheaply as one, and keeps at least the newest half of `maxIds`.
 */

interface Entry<Value> {
  readonly value: Value
  readonly until: number
}

export class DedupWindow<Value> {
  readonly #windowMs: number
  readonly #generationMax: number
  #young = new Map<string, Entry<Value>>()
  #old = new Map<string, Entry<Value>>()
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
    const entry = this.#young.get(id) ?? (this.#old.size === 0 ? undefined : this.#old.get(id))
    return entry !== undefined && entry.until > now ? entry.value : undefined
  }

  /** Remembers the id from now on. For an id that is remembered already, ask `get` first: this would start its time anew. */
  add(id: string, value: Value, now: number): void {
    if (this.#windowMs === 0) return
    if (this.#young.size >= this.#generationMax || now >= this.#rotateAt) this.#rotate()
    if (this.#young.size === 0) this.#rotateAt = now + this.#windowMs
    this.#young.set(id, { value, until: now + this.#windowMs })
  }

  #rotate(): void {
    this.#old = this.#young
    this.#young = new Map()
  }
}
