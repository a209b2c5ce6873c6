/**
 * The PostgreSQL of a run, with the settings it comes with: started when a contender first asks for it, stopped with the other servers. And
 * the ledgers on it, each in a schema of its own.
 */
import pg from 'pg'
import { type DualOptions, dual } from '../adapters/dual/index.js'
import { jetstream } from '../adapters/jetstream/index.js'
import { memory } from '../adapters/memory/index.js'
import { createBus, type MessageBus, type StreamDefinition } from '../src/index.js'
import { type PostgresServer, startPostgres } from '../test/servers/postgres.js'
import { BenchStream, CONSUMER, durability } from './servers.js'

export const SYNCED = 'PostgreSQL, synchronous commit on'
export const SYNCED_THEN_STREAM = `${SYNCED}; then ${durability('2 min')}`

const RELAYED_WITHIN_MS = 60_000
const ORDERS: StreamDefinition = { name: 'orders', subjects: ['orders.>'] }

let server: Promise<PostgresServer> | undefined
let schemas = 0

/** `postgres://…` */
export async function postgresUrl(): Promise<string> {
  server ??= startPostgres()
  return (await server).url
}

/** Nothing happens when it was not started. */
export async function stopPostgres(): Promise<void> {
  const started = await server?.catch(() => undefined)
  server = undefined
  await started?.stop()
}

/** The name of a schema that nobody has. */
export function newSchema(): string {
  return `bench_${++schemas}`
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

export class BenchLedger {
  readonly schema = newSchema()
  readonly definition: StreamDefinition
  readonly subject: string
  /** Behind the ledger; undefined: the memory of this process is. */
  readonly #stream: BenchStream | undefined
  readonly #options: DualOptions

  /** A new, empty one. */
  static async create(inner: 'jetstream' | 'memory', options: Partial<DualOptions> = {}): Promise<BenchLedger> {
    const stream = inner === 'memory' ? undefined : await BenchStream.create('2 min')
    const behind = stream === undefined ? memory() : jetstream({ servers: stream.url })
    return new BenchLedger(stream, { inner: behind, connection: await postgresUrl(), ...options })
  }

  private constructor(stream: BenchStream | undefined, options: DualOptions) {
    this.definition = stream?.definition ?? ORDERS
    this.subject = stream?.subject ?? 'orders.placed'
    this.#stream = stream
    this.#options = { ...options, schema: this.schema }
  }

  async openBus(): Promise<MessageBus> {
    const bus = createBus({ adapter: dual(this.#options), streams: [this.definition] })
    await bus.connect()
    return bus
  }

  /** Resolves when the backend behind it has everything. Rejects unless ledger and stream hold that many messages, each of them once. */
  async assertStored(messages: number): Promise<void> {
    const deadline = performance.now() + RELAYED_WITHIN_MS
    while ((await count(`select count(*) from ${this.schema}.outbox`)) > 0)
      if (performance.now() > deadline) throw new Error('the outbox of the ledger does not become empty')
    const stored = await count(`select count(distinct id) from ${this.schema}.ledger`)
    if (stored !== messages) throw new Error(`${messages} messages were published, ${stored} are in the ledger`)
    await this.#stream?.assertStored(messages)
  }

  /** Rejects unless the ledger has that many messages as settled by the one consumer. */
  async assertSettled(messages: number): Promise<void> {
    const settled = await count(
      `select c.floor + (select count(*) from ${this.schema}.settled d where d.consumer_id = c.id and d.position > c.floor) as count
       from ${this.schema}.consumers c where c.name = '${CONSUMER}'`,
    )
    if (settled !== messages) throw new Error(`${messages} messages were consumed, ${settled} are settled`)
  }

  async remove(): Promise<void> {
    await askPostgres(`set client_min_messages = warning; drop schema ${this.schema} cascade`)
    await this.#stream?.remove()
  }
}
