/** How a hostile call may end, and the well-behaved consumer beside it, which must notice nothing. */
import assert from 'node:assert/strict'
import { BusError, type MessageBus, type Pool, type StreamDefinition } from '../../src/index.js'
import { until } from '../../testing/suite/expect.js'

export interface End {
  /** Undefined: the call was accepted. */
  readonly code: string | undefined
  readonly value: unknown
}

/** Fails for anything but a value or a `BusError` whose text is one line of a bearable length and begins with who says it. */
export async function endOf(call: () => unknown): Promise<End> {
  try {
    return { code: undefined, value: await call() }
  } catch (thrown) {
    if (!(thrown instanceof BusError)) throw thrown
    assert.match(thrown.message, /^\[[a-z]+\] \S/)
    assert.doesNotMatch(thrown.message, /[\r\n\0]/, `a text of several lines: ${JSON.stringify(thrown.message)}`)
    assert.ok(thrown.message.length < 2000, `a text of ${thrown.message.length} characters`)
    return { code: thrown.code, value: thrown }
  }
}

/** The code of a call that ends at once or later; undefined when it was accepted. What it has started is stopped again. */
export async function codeOfCall(call: () => unknown): Promise<string | undefined> {
  const { code, value } = await endOf(call)
  if (code !== undefined) return code
  if (typeof value === 'function') await value()
  else if (isStoppable(value)) await value.stop()
  return undefined
}

function isStoppable(value: unknown): value is Pool {
  return typeof value === 'object' && value !== null && 'stop' in value && 'stats' in value
}

/** A publisher and a consumer of one stream, who go on with their business. */
export class Neighbour {
  readonly #bus: MessageBus
  readonly #stream: string
  readonly #pool: Pool
  readonly #got: unknown[]
  #said = 0

  private constructor(bus: MessageBus, stream: string, pool: Pool, got: unknown[]) {
    this.#bus = bus
    this.#stream = stream
    this.#pool = pool
    this.#got = got
  }

  /** What the bus has to declare. */
  static stream(name = 'quiet'): StreamDefinition {
    return { name, subjects: [`${name}.>`] }
  }

  static async of(bus: MessageBus, stream = 'quiet'): Promise<Neighbour> {
    const got: unknown[] = []
    const take = (message: { readonly data: unknown }): void => void got.push(message.data)
    const pool = await bus.consume({ name: `${stream}-worker`, stream, order: 'key' }, take, { concurrency: 4 })
    return new Neighbour(bus, stream, pool, got)
  }

  async say(): Promise<void> {
    await this.#bus.publish(`${this.#stream}.word`, ++this.#said, { key: 'one' })
  }

  /** Exactly what was said arrived, once and in order, without a failure. */
  async assertUndisturbed(): Promise<void> {
    await this.say()
    await until(() => this.#got.length >= this.#said, 'the well-behaved messages')
    assert.deepEqual(
      this.#got,
      Array.from({ length: this.#said }, (_, at) => at + 1),
    )
    const { failed, dead, duplicates } = this.#pool.stats()
    assert.deepEqual({ failed, dead, duplicates }, { failed: 0, dead: 0, duplicates: 0 })
  }
}
