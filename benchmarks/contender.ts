/**
 * What every contender is: work that can be prepared, run under the clock, and cleared away. And the message that all of them carry.
 */

export interface Contender {
  readonly name: string
  /** One line for the table. */
  readonly what: string
  /** What a message survives once it is accepted: where it is kept, in how many copies, and when that is written to disk. */
  readonly durability: string
  /** How many messages one run takes, given what was asked for. */
  messages(sizes: Sizes): number
  /** Everything that is not to be timed. */
  prepare(messages: number): Promise<Prepared>
}

export interface Sizes {
  /** Messages of an ordinary run. */
  readonly messages: number
  /** Messages of the large backlog. */
  readonly backlog: number
}

export interface Prepared {
  /** Timed. Resolves when every message is settled. */
  run(): Promise<void>
  /** From publish to handler, in ms, of each message of the run; only where that is what is measured. */
  readonly latenciesMs?: Float64Array
  close(): Promise<unknown>
}

/** Of everything that runs on the memory backend, or on none. */
export const IN_HEAP = 'none: heap'

/** Publishes that are not awaited one by one. */
export const IN_FLIGHT = 256

const PAYLOAD_BYTES = 256

export interface Order {
  readonly order: string
  readonly customer: string
  readonly placedAt: string
  readonly total: number
  readonly items: readonly { readonly sku: string; readonly count: number; readonly price: number }[]
  readonly note: string
}

/** An order that is exactly 256 bytes as JSON. */
export const order: Order = sized({
  order: 'A-2001-004711',
  customer: 'C-000815',
  placedAt: '2001-01-31T23:05:00.000Z',
  total: 61.9,
  items: [
    { sku: 'tea-green-100', count: 2, price: 12.5 },
    { sku: 'cup-white', count: 4, price: 9.225 },
  ],
  note: '',
})

function sized(small: Order): Order {
  const missing = PAYLOAD_BYTES - Buffer.byteLength(JSON.stringify(small))
  return { ...small, note: 'x'.repeat(missing) }
}
