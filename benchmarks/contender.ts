/**
 * What every contender is: work that can be prepared, run under the clock, and cleared away. And the message that all of them carry.
 */

/** Parts of a full run, each of which can be taken alone. */
export const groups = {
  throughput: 'publish, consume, and both, as fast as they go',
  rates: 'how long a message takes at a fixed rate',
  sizes: 'payloads of 256 B, 1 KB, 16 KB and 1 MB',
  'fan-out': '1, 10 and 100 live subscribers',
  replay: 'reading everything again, and rebuilding a stream that was lost',
  pools: 'worker pools of 1, 8, 64 and 512, with handlers that wait 1 ms',
  processes: 'one worker process and three',
  replicas: 'one copy and three, in a cluster of three servers',
  sync: 'a file system sync before each acknowledgement, beside the default of two minutes',
  lifecycle: 'time to start, and time to drain',
  growth: 'backlogs, subjects and keys that grow a hundredfold and more',
} as const

export type Group = keyof typeof groups

/** A backend of busbar: of the contender, or of those that it is compared with. */
export type Beside = 'memory' | 'nats' | 'dual'

export interface Contender {
  /** Letters, digits and dashes; begins with what it is, ends with how it differs. */
  readonly name: string
  /** One line for the table. Of somebody else's product: the settings, too. */
  readonly what: string
  /** What a message survives once it is accepted: where it is kept, in how many copies, and when that is written to disk. */
  readonly durability: string
  readonly beside: Beside
  /** Not empty. */
  readonly groups: readonly Group[]
  /** Payloads of a full run, in bytes of JSON. Default: only 256. The others are taken in the group `sizes`. */
  readonly payloads?: readonly number[]
  /** It carries no messages, so their size does not matter. */
  readonly isWithoutPayload?: true
  /** What this machine lacks to run it, with the remedy; undefined when it lacks nothing. */
  missing?(): Promise<string | undefined>
  /** How many messages one run takes, given what was asked for. */
  messages(sizes: Sizes): number
  /** Everything that is not to be timed. */
  prepare(load: Load): Promise<Prepared>
}

export interface Sizes {
  /** Messages of an ordinary run. */
  readonly messages: number
  /** Messages of the large backlog. */
  readonly backlog: number
}

export interface Load {
  readonly messages: number
  readonly order: Order
}

export interface Prepared {
  /** Timed. Resolves when every message is settled. */
  run(): Promise<void>
  /** ms from publish to handler, of each message of the run; or how long each repetition took, where that is what is measured. */
  readonly latenciesMs?: Float64Array
  /** ms from publish to acceptance, of each message of the run. */
  readonly acceptedMs?: Float64Array
  /** CPU time of the run in other processes than this one. */
  cpuElsewhereUs?(): number
  close(): Promise<unknown>
}

/** Of everything that runs on the memory backend, or on none. */
export const IN_HEAP = 'none: heap'

/** Publishes that are not awaited one by one. */
export const IN_FLIGHT = 256

export const PAYLOAD_BYTES = 256
/** The last is as much as a server takes by default, less what headers need. */
export const PAYLOADS = [PAYLOAD_BYTES, 1024, 16_384, 1_000_000] as const

export interface Order {
  readonly order: string
  readonly customer: string
  readonly placedAt: string
  readonly total: number
  readonly items: readonly { readonly sku: string; readonly count: number; readonly price: number }[]
  readonly note: string
}

/** An order that is exactly so many bytes as JSON; at least 256. */
export function orderOf(bytes: number): Order {
  const small = {
    order: 'A-2001-004711',
    customer: 'C-000000815',
    placedAt: '2001-01-31T23:05:00.000Z',
    total: 61.9,
    items: [
      { sku: 'tea-green-100', count: 2, price: 12.5 },
      { sku: 'cup-white', count: 4, price: 9.225 },
    ],
    note: '',
  }
  return { ...small, note: 'x'.repeat(bytes - Buffer.byteLength(JSON.stringify(small))) }
}

/** Whoever takes several payloads is in the group `sizes` as well. */
export function groupsOf({ groups: named, payloads }: Contender): readonly Group[] {
  return payloads === undefined ? named : [...named, 'sizes']
}
