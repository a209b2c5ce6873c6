/** Positions of a stream as bits: a million of them take 125 KB, and stretches without any take nothing. */

const CHUNK = 1 << 16

/** Positions from `first` to `last`, inclusive. */
export interface PositionRange {
  readonly first: number
  readonly last: number
}

export class PositionSet {
  readonly #chunks = new Map<number, Uint8Array>()
  #size = 0

  get size(): number {
    return this.#size
  }

  has(position: number): boolean {
    const chunk = this.#chunks.get(Math.floor(position / CHUNK))
    return chunk !== undefined && ((chunk[(position % CHUNK) >> 3] ?? 0) & (1 << (position & 7))) !== 0
  }

  /** @returns whether it was not there */
  add(position: number): boolean {
    const number = Math.floor(position / CHUNK)
    let chunk = this.#chunks.get(number)
    if (chunk === undefined) {
      chunk = new Uint8Array(CHUNK >> 3)
      this.#chunks.set(number, chunk)
    }
    const byte = (position % CHUNK) >> 3
    const old = chunk[byte] ?? 0
    const bit = 1 << (position & 7)
    if ((old & bit) !== 0) return false
    chunk[byte] = old | bit
    this.#size++
    return true
  }

  addRange({ first, last }: PositionRange): void {
    for (let position = first; position <= last; position++) this.add(position)
  }

  delete(position: number): void {
    if (!this.has(position)) return
    const chunk = this.#chunks.get(Math.floor(position / CHUNK))
    const byte = (position % CHUNK) >> 3
    if (chunk !== undefined) chunk[byte] = (chunk[byte] ?? 0) & ~(1 << (position & 7))
    this.#size--
  }

  /** The smallest; undefined when there is none. */
  get first(): number | undefined {
    for (const position of this) return position
    return undefined
  }

  /** In ascending order. */
  *[Symbol.iterator](): Generator<number, void, undefined> {
    for (const number of [...this.#chunks.keys()].sort((a, b) => a - b)) {
      const chunk = this.#chunks.get(number) ?? new Uint8Array()
      for (const [byte, bits] of chunk.entries()) {
        if (bits === 0) continue
        for (let bit = 0; bit < 8; bit++) if ((bits & (1 << bit)) !== 0) yield number * CHUNK + byte * 8 + bit
      }
    }
  }

  /** Neighbours together, in ascending order. @param length of a range at most */
  *ranges(length: number): Generator<PositionRange, void, undefined> {
    let [first, last] = [0, -1]
    for (const position of this) {
      if (position === last + 1 && position - first < length) {
        last = position
        continue
      }
      if (last >= first) yield { first, last }
      first = last = position
    }
    if (last >= first) yield { first, last }
  }
}
