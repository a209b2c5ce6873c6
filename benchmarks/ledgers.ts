/**
 * Ledgers on the PostgreSQL of a run, which has the settings it comes with: each in a schema of its own, before a stream or before memory.
 */
import pg from 'pg'
import type { DualOptions } from '../adapters/dual/index.js'
import { type Backend, CONSUMER, ORDERS, type Place, type PlaceAddress } from './place.js'
import { server } from './servers.js'
import { BenchStream, ONE } from './streams.js'

export const SYNCED = 'PostgreSQL, synchronous commit on'
export const SYNCED_THEN_STREAM = `${SYNCED}; then ${ONE.durability}`

export type Inner = 'jetstream' | 'memory'

const RELAYED_WITHIN_MS = 120_000

let schemas = 0

/** `postgres://…` */
export async function postgresUrl(): Promise<string> {
  return (await server('postgres')).url
}

/** The name of a schema that nobody has. */
export function newSchema(): string {
  return `bench_${process.pid}_${++schemas}`
}

/** On a connection of its own. Several statements answer with nothing. */
export async function askPostgres<Row extends object>(text: string): Promise<readonly Row[]> {
  const client = new pg.Client({ connectionString: await postgresUrl() })
  await client.connect()
  try {
    return (await client.query<Row>(text)).rows
  } finally {
    await client.end()
  }
}

/** A number that a statement answers with. */
export async function count(text: string): Promise<number> {
  const [row] = await askPostgres<{ count: string }>(text)
  return Number(row?.count)
}

export class BenchLedger implements Place {
  readonly schema: string
  readonly address: PlaceAddress
  readonly subject: string
  /** Behind the ledger; undefined: the memory of this process is. */
  readonly #stream: BenchStream | undefined

  /** A new, empty one. */
  static async create(inner: Inner, options: Partial<DualOptions> = {}): Promise<BenchLedger> {
    const stream = inner === 'memory' ? undefined : await BenchStream.create(ONE)
    return new BenchLedger(stream, { connection: await postgresUrl(), ...options })
  }

  private constructor(stream: BenchStream | undefined, options: Omit<DualOptions, 'inner'>) {
    this.schema = newSchema()
    this.address = { ...(stream?.address ?? { definition: ORDERS }), dual: { ...options, schema: this.schema } }
    this.subject = stream?.subject ?? 'orders.placed'
    this.#stream = stream
  }

  /** Waits until the backend behind it has everything. */
  async assertStored(messages: number): Promise<void> {
    const deadline = performance.now() + RELAYED_WITHIN_MS
    while ((await count(`select count(*) from ${this.schema}.outbox`)) > 0)
      if (performance.now() > deadline) throw new Error('the outbox of the ledger does not become empty')
    const stored = await count(`select count(distinct id) from ${this.schema}.ledger`)
    if (stored !== messages) throw new Error(`${messages} messages were published, ${stored} are in the ledger`)
    await this.#stream?.assertStored(messages)
  }

  async assertSettled(messages: number, consumer = CONSUMER): Promise<void> {
    const settled = await count(
      `select c.floor + (select count(*) from ${this.schema}.settled d where d.consumer_id = c.id and d.position > c.floor) as count
       from ${this.schema}.consumers c where c.name = '${consumer}'`,
    )
    if (settled !== messages) throw new Error(`${messages} messages were consumed, ${settled} are settled`)
  }

  /** The stream, as if its disk were lost. The ledger stays. */
  async loseStream(): Promise<void> {
    await this.#stream?.remove()
  }

  async remove(): Promise<void> {
    await askPostgres(`set client_min_messages = warning; drop schema ${this.schema} cascade`)
    await this.#stream?.remove()
  }
}

export const onLedger: Backend = {
  name: 'dual',
  beside: 'dual',
  durability: SYNCED_THEN_STREAM,
  create: () => BenchLedger.create('jetstream'),
}

/** PostgreSQL alone. */
export const onLedgerAlone: Backend = {
  name: 'dual-memory',
  beside: 'dual',
  durability: SYNCED,
  create: () => BenchLedger.create('memory'),
}
