/**
 * The declared streams: which one takes a subject, and their rows in PostgreSQL. It compares definitions as a NATS server would, and
 * changes nothing when one of them conflicts.
 */
import type { PoolClient } from 'pg'
import type { ProvisionReport } from '../../src/adapter.js'
import { BusError } from '../../src/errors.js'
import { SubjectIndex } from '../../src/subject-index.js'
import { assertDisjoint, difference, type ResolvedStream } from '../../src/topology.js'
import { BEGIN, type Database } from './database/database.js'
import { ledgerError } from './database/pg-failure.js'

export interface LedgerStream {
  readonly id: number
  readonly definition: ResolvedStream
}

/** The limits that JSON and SQL write as null when there is none. */
const LIMITS = ['maxAgeMs', 'maxBytes', 'maxMessages'] as const

export class Streams {
  readonly #byName = new Map<string, LedgerStream>()
  readonly #byId = new Map<number, LedgerStream>()
  #bySubject = new SubjectIndex<LedgerStream>()

  get all(): readonly LedgerStream[] {
    return [...this.#byName.values()]
  }

  find(subject: string): LedgerStream | undefined {
    return this.#bySubject.match(subject)[0]
  }

  byId(id: number): LedgerStream | undefined {
    return this.#byId.get(id)
  }

  /** Throws `BUS_NOT_FOUND`. */
  require(name: string): LedgerStream {
    const stream = this.#byName.get(name)
    if (stream !== undefined) return stream
    throw new BusError('BUS_NOT_FOUND', `[dual] there is no stream ${name}. Declare it in the bus's streams`)
  }

  /** Creates and updates rows. Throws `BUS_CONFLICT`, and then nothing was changed. */
  async provision(database: Database, definitions: readonly ResolvedStream[]): Promise<ProvisionReport> {
    const client = await database.connect('work').catch((thrown: unknown) => {
      throw ledgerError('provision', thrown)
    })
    try {
      await client.query(BEGIN)
      await client.query(`select pg_advisory_xact_lock(hashtext($1), 0)`, [database.schema])
      const { streams, ...report } = await store(client, database.schema, definitions)
      await client.query('commit')
      client.release()
      for (const stream of streams) this.#declare(stream)
      return report
    } catch (thrown) {
      client.release(true)
      throw ledgerError('provision', thrown)
    }
  }

  #declare(stream: LedgerStream): void {
    this.#byName.set(stream.definition.name, stream)
    this.#byId.set(stream.id, stream)
    this.#bySubject = new SubjectIndex()
    for (const each of this.#byName.values())
      for (const subject of each.definition.subjects) this.#bySubject.add(subject, each)
  }
}

interface StreamRow {
  readonly id: number
  readonly definition: Record<string, unknown>
}

async function store(client: PoolClient, schema: string, definitions: readonly ResolvedStream[]) {
  const { rows } = await client.query<StreamRow>(`select id, definition from ${schema}.streams order by id`)
  const present = new Map(rows.map(({ id, definition }) => [String(definition.name), { id, is: parse(definition) }]))
  for (const definition of definitions) {
    for (const { is } of present.values()) assertProvisionable(definition, is)
  }
  const report = { created: [] as string[], updated: [] as string[], unchanged: [] as string[] }
  const declared = definitions.map((definition) => {
    const known = present.get(definition.name)
    const isSame = known !== undefined && difference(definition, known.is) === undefined
    const became = known === undefined ? 'created' : isSame ? 'unchanged' : 'updated'
    report[became].push(definition.name)
    return { definition, became, id: known?.id ?? 0 }
  })
  const updated = declared.filter(({ became }) => became === 'updated').map(({ id }) => id)
  // Before any of their rows is changed, as whoever appends does it.
  if (updated.length > 0) await client.query(`select ${schema}.lock_streams($1)`, [updated])
  const streams: LedgerStream[] = []
  for (const { definition, became, id } of declared)
    streams.push({ id: became === 'unchanged' ? id : await write(client, schema, definition), definition })
  return { ...report, streams }
}

/** Lower limits apply at once to what is kept. */
async function write(client: PoolClient, schema: string, definition: ResolvedStream): Promise<number> {
  const { name, retention, discard } = definition
  const [maxAge, maxBytes, maxMessages] = LIMITS.map((limit) => finite(definition[limit]))
  const values = [name, JSON.stringify(definition, nullForInfinity), retention, discard, maxMessages, maxBytes, maxAge]
  const { rows } = await client.query<{ id: number }>(
    `insert into ${schema}.streams (name, definition, retention, discard, max_messages, max_bytes, max_age_ms)
     values ($1, $2, $3, $4, $5, $6, $7)
     on conflict (name) do update set definition = excluded.definition, retention = excluded.retention, discard = excluded.discard,
       max_messages = excluded.max_messages, max_bytes = excluded.max_bytes, max_age_ms = excluded.max_age_ms
     returning id`,
    values,
  )
  const id = rows[0]?.id ?? 0
  await client.query(`select ${schema}.trim_stream($1)`, [id])
  return id
}

function assertProvisionable(wanted: ResolvedStream, actual: ResolvedStream): void {
  if (wanted.name !== actual.name) return assertDisjoint(wanted, actual)
  for (const field of ['storage', 'retention'] as const) {
    if (wanted[field] === actual[field]) continue
    throw new BusError(
      'BUS_CONFLICT',
      `[dual] stream ${wanted.name} exists with ${field} "${actual[field]}" and was asked to have "${wanted[field]}". It cannot be changed`,
    )
  }
}

function parse(definition: Record<string, unknown>): ResolvedStream {
  const limits = LIMITS.map((limit) => [limit, definition[limit] ?? Number.POSITIVE_INFINITY])
  return { ...definition, ...Object.fromEntries(limits) } as ResolvedStream
}

function nullForInfinity(_name: string, value: unknown): unknown {
  return value === Number.POSITIVE_INFINITY ? null : value
}

function finite(value: number): number | null {
  return Number.isFinite(value) ? value : null
}
