/**
 * The messages of one stream by sequence. Appending, reading and removing cost O(1) whatever the stream holds: nothing is copied or
 * shifted, and a block of the log is dropped when its last message is gone.
 */
import type { StoredMessage } from '../../src/message.js'

const BLOCK_SIZE = 1024

interface Block {
  readonly messages: (StoredMessage | undefined)[]
  live: number
}

export class MessageLog {
  readonly #blocks = new Map<number, Block>()
  #first = 1
  #last = 0
  #count = 0

  /** Messages present. */
  get count(): number {
    return this.#count
  }

  /** Sequence of the oldest message present, or one past the last when there is none. */
  get first(): number {
    return this.#first
  }

  /** Sequence of the newest message ever appended; 0 before the first. */
  get last(): number {
    return this.#last
  }

  /** @param message its sequence must be `last + 1` */
  append(message: StoredMessage): void {
    const number = blockOf(message.sequence)
    const block = this.#blocks.get(number) ?? this.#addBlock(number)
    block.messages[message.sequence % BLOCK_SIZE] = message
    block.live++
    this.#last = message.sequence
    this.#count++
  }

  /** Uses up a sequence without storing a message. */
  skip(): void {
    this.#last++
    if (this.#count === 0) this.#first = this.#last + 1
  }

  get(sequence: number): StoredMessage | undefined {
    return this.#blocks.get(blockOf(sequence))?.messages[sequence % BLOCK_SIZE]
  }

  remove(sequence: number): StoredMessage | undefined {
    const block = this.#blocks.get(blockOf(sequence))
    const message = block?.messages[sequence % BLOCK_SIZE]
    if (block === undefined || message === undefined) return undefined
    block.messages[sequence % BLOCK_SIZE] = undefined
    this.#count--
    if (--block.live === 0) this.#blocks.delete(blockOf(sequence))
    if (sequence === this.#first) this.#first = this.next(sequence)?.sequence ?? this.#last + 1
    return message
  }

  /** The first message at or after a sequence. Whole gaps are passed a block at a time. */
  next(from: number): StoredMessage | undefined {
    let sequence = Math.max(from, this.#first)
    while (sequence <= this.#last) {
      const block = this.#blocks.get(blockOf(sequence))
      const message = block?.messages[sequence % BLOCK_SIZE]
      if (message !== undefined) return message
      sequence = block === undefined ? (blockOf(sequence) + 1) * BLOCK_SIZE : sequence + 1
    }
    return undefined
  }

  /** Messages present, newest first. */
  *backwards(): Iterable<StoredMessage> {
    for (let sequence = this.#last; sequence >= this.#first; sequence--) {
      const message = this.get(sequence)
      if (message !== undefined) yield message
    }
  }

  #addBlock(number: number): Block {
    const block: Block = { messages: new Array(BLOCK_SIZE), live: 0 }
    this.#blocks.set(number, block)
    return block
  }
}

function blockOf(sequence: number): number {
  return Math.floor(sequence / BLOCK_SIZE)
}
