/**
 * Remembers ids for a while, bounded by time and by count. An id is remembered for the window, to the millisecond; seeing it again does not
 * extend that (as on a JetStream server, JS-D3). Two generations: when the younger one is full or as old as the window, the older one is
 * dropped whole, so that forgetting costs nothing and at least the newest half of `maxIds` is kept.
 *
 * What is remembered is noted in a list, and indexed when somebody asks: most ids were just made and nobody ever asks for them. Map entries
 * were a tenth of the cost of a message, and further lists half of that (`npm run bench`, row "memory").
 */
export class DedupWindow<Entry> {
  readonly #windowMs: number
  readonly #generationMax: number
  readonly #idOf: (entry: Entry) => string
  #young: Generation<Entry>
  #old: Generation<Entry>
  #rotateAt = Number.POSITIVE_INFINITY

  /**
   * @param windowMs how long an id is remembered; 0 remembers nothing
   * @param maxIds ids held at most, at least 2
   * @param idOf the id under which an entry is remembered
   */
  constructor(windowMs: number, maxIds: number, idOf: (entry: Entry) => string) {
    this.#windowMs = windowMs
    this.#generationMax = Math.max(1, Math.floor(maxIds / 2))
    this.#idOf = idOf
    this.#young = new Generation(idOf)
    this.#old = new Generation(idOf)
  }

  /** Ids held, those whose time has passed but that were not dropped yet included. */
  get size(): number {
    return this.#young.size + this.#old.size
  }

  /** @param now monotonic ms; never less than in an earlier call */
  get(id: string, now: number): Entry | undefined {
    return this.#young.get(id, now) ?? this.#old.get(id, now)
  }

  /** Remembers an entry from now on. When its id may be remembered already, ask `get` first: this would start its time anew. */
  add(entry: Entry, now: number): void {
    if (this.#windowMs === 0) return
    if (this.#young.size >= this.#generationMax || now >= this.#rotateAt) {
      this.#old = this.#young
      this.#young = new Generation(this.#idOf)
    }
    if (this.#young.size === 0) this.#rotateAt = now + this.#windowMs
    this.#young.add(entry, Math.ceil(now) + this.#windowMs)
  }
}

/** From the place of an entry in the list on, up to the next mark, entries are remembered until then. */
interface Mark {
  readonly from: number
  readonly until: number
}

class Generation<Entry> {
  readonly #idOf: (entry: Entry) => string
  readonly #entries: Entry[] = []
  readonly #marks: Mark[] = []
  /** From an id to the place of its entry, for the first `#indexed` of them. */
  readonly #places = new Map<string, number>()
  #indexed = 0
  #until = 0

  constructor(idOf: (entry: Entry) => string) {
    this.#idOf = idOf
  }

  get size(): number {
    return this.#entries.length
  }

  add(entry: Entry, until: number): void {
    if (until !== this.#until) this.#marks.push({ from: this.#entries.length, until })
    this.#until = until
    this.#entries.push(entry)
  }

  get(id: string, now: number): Entry | undefined {
    this.#index()
    const place = this.#places.get(id)
    return place !== undefined && this.#untilOf(place) > now ? this.#entries[place] : undefined
  }

  /** Puts off the work until somebody asks: nobody does while every id is fresh. */
  #index(): void {
    for (let entry = this.#entries[this.#indexed]; entry !== undefined; entry = this.#entries[this.#indexed])
      this.#places.set(this.#idOf(entry), this.#indexed++)
  }

  #untilOf(place: number): number {
    let [low, high] = [0, this.#marks.length - 1]
    while (low < high) {
      const middle = (low + high + 1) >> 1
      if ((this.#marks[middle]?.from ?? 0) <= place) low = middle
      else high = middle - 1
    }
    return this.#marks[low]?.until ?? 0
  }
}
