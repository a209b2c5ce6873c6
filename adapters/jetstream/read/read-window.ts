/**
 * How many messages may be on their way to a reader or wait for it: few when they are large, so that a reader that takes its time is
 * not flooded (JS-F7). More are asked for when most of them are taken.
 */

const [LEAST, MOST] = [2, 256]
const BYTES = 32 * 1024 * 1024

export class ReadWindow {
  /** Bytes of the largest message lately; at first, of the largest that there may be. */
  #largest: number
  #outstanding = 0

  constructor(maxMessageBytes: number) {
    this.#largest = maxMessageBytes
  }

  /** All that was on its way is lost. @param waiting messages that had arrived; @returns how many to ask for */
  begin(waiting: number): number {
    this.#outstanding = waiting
    return this.#more()
  }

  arrived(bytes: number): void {
    this.#largest = Math.max(this.#largest, bytes)
  }

  /** One message less. @returns how many to ask for, mostly none */
  taken(): number {
    this.#outstanding--
    return this.#more()
  }

  #more(): number {
    const size = Math.max(LEAST, Math.min(MOST, Math.floor(BYTES / this.#largest)))
    if (this.#outstanding > size / 2) return 0
    const count = size - this.#outstanding
    this.#outstanding = size
    this.#largest = Math.max(1, this.#largest / 2)
    return count
  }
}
