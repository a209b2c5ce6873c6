/**
 * Where a consumer stands in its stream: which message it has not seen comes next, how many are left, and, with `replay: 'original'`,
 * when. It hands nothing out.
 */
import type { Clock, Timer } from '../../src/clock.js'
import type { StoredMessage } from '../../src/message.js'
import { matcherOf } from '../../src/subject.js'
import type { ResolvedConsumer, ResolvedStart } from '../../src/topology.js'
import type { MessageLog } from './log.js'

export class Cursor {
  readonly #log: MessageLog
  readonly #clock: Clock
  readonly #matchers: readonly ((subject: string) => boolean)[]
  readonly #isOriginal: boolean
  readonly #onReady: () => void
  /** Chosen old messages that come before everything from `#next` on; only for `last-per-subject`. Lowest last. */
  #chosen: number[] = []
  #next: number
  #pending = 0
  /** Wall time minus message time for `replay: 'original'`, fixed by the first message. */
  #offsetMs: number | undefined
  #timer: Timer | undefined

  /** @param onReady called when the next message may be taken after `next()` had said to wait */
  constructor(consumer: ResolvedConsumer, log: MessageLog, clock: Clock, onReady: () => void) {
    this.#log = log
    this.#clock = clock
    this.#matchers = consumer.filters.map(matcherOf)
    this.#isOriginal = consumer.replay === 'original'
    this.#onReady = onReady
    this.#next = this.#start(consumer.from)
    this.#pending = this.#chosen.length + this.#countFrom(this.#next)
  }

  /** Matching messages not taken yet. */
  get pending(): number {
    return this.#pending
  }

  matches(subject: string): boolean {
    for (const matches of this.#matchers) if (matches(subject)) return true
    return false
  }

  /** Whether the message is still to be taken. */
  isAhead(sequence: number): boolean {
    return sequence >= this.#next || this.#chosen.includes(sequence)
  }

  arrived(message: StoredMessage): void {
    if (message.sequence >= this.#next && this.matches(message.subject)) this.#pending++
  }

  removed(message: StoredMessage): void {
    if (!this.matches(message.subject) || !this.isAhead(message.sequence)) return
    this.#pending--
    this.#chosen = this.#chosen.filter((sequence) => sequence !== message.sequence)
  }

  /** Takes the next message, or undefined when there is none or its time has not come. */
  take(): StoredMessage | undefined {
    if (this.#pending === 0) return undefined
    const message = this.#peek()
    if (message === undefined || !this.#isTime(message)) return undefined
    if (this.#chosen.length > 0) this.#chosen.pop()
    else this.#next = message.sequence + 1
    this.#pending--
    return message
  }

  close(): void {
    this.#timer?.cancel()
  }

  #peek(): StoredMessage | undefined {
    const chosen = this.#chosen.at(-1)
    if (chosen !== undefined) return this.#log.get(chosen)
    let message = this.#log.next(this.#next)
    while (message !== undefined && !this.matches(message.subject)) {
      this.#next = message.sequence + 1
      message = this.#log.next(this.#next)
    }
    return message
  }

  #isTime(message: StoredMessage): boolean {
    if (!this.#isOriginal) return true
    const now = this.#clock.now()
    this.#offsetMs ??= now - message.time
    const waitMs = message.time + this.#offsetMs - now
    if (waitMs <= 0) return true
    this.#timer?.cancel()
    this.#timer = this.#clock.timer(waitMs, this.#onReady)
    return false
  }

  #start(from: ResolvedStart): number {
    const end = this.#log.last + 1
    if (from === 'all') return 1
    if (from === 'new') return end
    if (from === 'last') return this.#newestFirst().next().value?.sequence ?? end
    if (from === 'last-per-subject') {
      this.#chosen = this.#newestPerSubject()
      return end
    }
    if ('sequence' in from) return from.sequence
    return firstAtOrAfter(this.#log, from.timeMs)
  }

  *#newestFirst(): Generator<StoredMessage, undefined> {
    for (const message of this.#log.backwards()) if (this.matches(message.subject)) yield message
    return undefined
  }

  #newestPerSubject(): number[] {
    const newest = new Map<string, number>()
    for (const { subject, sequence } of this.#newestFirst()) if (!newest.has(subject)) newest.set(subject, sequence)
    return [...newest.values()].sort((a, b) => b - a)
  }

  #countFrom(sequence: number): number {
    let count = 0
    for (
      let message = this.#log.next(sequence);
      message !== undefined;
      message = this.#log.next(message.sequence + 1)
    ) {
      if (this.matches(message.subject)) count++
    }
    return count
  }
}

/** The sequence of the first message of that time or later; one past the last when there is none. */
export function firstAtOrAfter(log: MessageLog, timeMs: number): number {
  for (let message = log.next(1); message !== undefined; message = log.next(message.sequence + 1)) {
    if (message.time >= timeMs) return message.sequence
  }
  return log.last + 1
}
