/** Keys as bits of their hashes: bounded whatever their number. It never forgets one, and may take another for it. */

const BITS = 1 << 24

export class KeySet {
  readonly #bits = new Uint8Array(BITS >> 3)

  add(key: string): void {
    const bit = bitOf(key)
    this.#bits[bit >> 3] = (this.#bits[bit >> 3] ?? 0) | (1 << (bit & 7))
  }

  has(key: string): boolean {
    const bit = bitOf(key)
    return ((this.#bits[bit >> 3] ?? 0) & (1 << (bit & 7))) !== 0
  }
}

/** FNV-1a over UTF-16 units, folded. */
function bitOf(key: string): number {
  let hash = 0x811c9dc5
  for (let at = 0; at < key.length; at++) hash = Math.imul(hash ^ key.charCodeAt(at), 0x01000193)
  return ((hash >>> 8) ^ hash) & (BITS - 1)
}
