/**
 * A handler that writes down what it was given. Scenarios hand `collect` to `consume`, `subscribe` and `respond`.
 */
import type { Message } from '../../src/message.js'
import { until } from './expect.js'

export interface Collected {
  readonly message: Message
  /** 0 where there are no attempts, as for a subscription. */
  readonly attempt: number
  /** `performance.now()` when the handler began. */
  readonly at: number
}

export class Collector {
  readonly entries: Collected[] = []

  readonly collect = (message: Message, context?: { readonly attempt: number }): void => {
    this.entries.push({ message, attempt: context?.attempt ?? 0, at: performance.now() })
  }

  get messages(): Message[] {
    return this.entries.map((entry) => entry.message)
  }

  get data(): unknown[] {
    return this.entries.map((entry) => entry.message.data)
  }

  get attempts(): number[] {
    return this.entries.map((entry) => entry.attempt)
  }

  /** Waits until that many were collected. */
  async reached(count: number): Promise<void> {
    await until(() => this.entries.length >= count, `${count} messages`)
  }

  /** Only the data of one key, in the order of their handling. */
  ofKey(key: string): unknown[] {
    return this.messages.filter((message) => message.key === key).map((message) => message.data)
  }
}

/** A door that handlers wait at until the scenario opens it. */
export class Gate {
  readonly passed: Promise<void>
  #open: () => void = () => {}
  /** How many arrived so far. */
  arrivals = 0

  constructor() {
    this.passed = new Promise((resolve) => {
      this.#open = resolve
    })
  }

  readonly enter = (): Promise<void> => {
    this.arrivals++
    return this.passed
  }

  open(): void {
    this.#open()
  }

  /** Waits until that many arrived. */
  async reached(count: number): Promise<void> {
    await until(() => this.arrivals >= count, `${count} handlers to start`)
  }
}
