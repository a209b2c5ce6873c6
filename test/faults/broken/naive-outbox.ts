/**
 * An outbox as it is often written: rows of a table with growing numbers, and whoever holds a lease sends them on. It is the frame of adapters
 * that are broken in how they read and send; nobody should take it for a model.
 */
import { setTimeout as wait } from 'node:timers/promises'
import { Pool, type PoolClient } from 'pg'
import type { Adapter, PublishOutcome } from '../../../src/adapter.js'
import { BusError, describeThrown } from '../../../src/errors.js'
import type { Outgoing } from '../../../src/message.js'
import { accepted } from './publishing.js'

const LEASE_MS = 1500
const POLL_MS = 20
/** Rows of a turn: sent well within a lease, as long as nobody stands still. */
const PAGE = 20
const CONNECTIONS = 20
/** Some transactions of an application do other work before they commit. */
const BUSY_ONE_IN = 10
const BUSY_S = 0.3

/** A view named `outbox` tells what waits, for who watches a run. */
const SCHEMA = `
  create schema if not exists busbar;
  create table if not exists busbar.rows (id bigserial primary key, message jsonb not null, is_sent boolean not null default false);
  create unique index if not exists ids on busbar.rows ((message->>'id'));
  create table if not exists busbar.lease (owner text not null, until timestamptz not null, last bigint not null);
  insert into busbar.lease select '', '-infinity', 0 where not exists (select from busbar.lease);`
/** Processes make it at the same time. */
export const SCHEMA_LOCK = 7_350_001

export interface Row {
  readonly id: string
  readonly message: unknown
}

export interface SendOptions {
  /** Which rows wait: what `outbox` and a turn of the relay read. */
  readonly waiting: string
  /** Sends rows in order, and notes that they are sent. */
  readonly send: (rows: readonly Row[], pool: Pool) => Promise<void>
}

export class NaiveOutbox {
  readonly #pool: Pool
  readonly #options: SendOptions
  readonly #owner = `${process.pid}`
  #relaying: Promise<void> | undefined
  #isClosed = false
  #stored = 0

  constructor(connection: string, options: SendOptions) {
    this.#pool = new Pool({ connectionString: connection, max: CONNECTIONS, connectionTimeoutMillis: 3000 })
    this.#pool.on('error', () => {})
    this.#options = options
  }

  async open(): Promise<void> {
    const client = await this.#pool.connect()
    try {
      const view = `create or replace view busbar.outbox as select id, message from busbar.rows where ${this.#options.waiting}`
      await client.query(`begin; select pg_advisory_xact_lock(${SCHEMA_LOCK}); ${SCHEMA} ${view}; commit`)
    } finally {
      client.release()
    }
    this.#relaying = this.#relay()
  }

  async store(message: Outgoing): Promise<PublishOutcome> {
    try {
      const client = await this.#pool.connect()
      try {
        await client.query('begin')
        const outcome = await insert(client, message)
        if (++this.#stored % BUSY_ONE_IN === 0) await client.query(`select pg_sleep(${BUSY_S})`)
        await client.query('commit')
        client.release()
        return outcome
      } catch (thrown) {
        client.release(true)
        throw thrown
      }
    } catch (thrown) {
      const error = new BusError('BUS_UNAVAILABLE', `[naive] publish: ${describeThrown(thrown)}`, { cause: thrown })
      return { status: 'unknown', error }
    }
  }

  async close(): Promise<void> {
    this.#isClosed = true
    await this.#relaying
    await this.#pool.end()
  }

  async #relay(): Promise<void> {
    while (!this.#isClosed) {
      const sent = await this.#turn().catch(() => 0)
      if (sent === 0) await wait(POLL_MS)
    }
  }

  async #turn(): Promise<number> {
    const claim = `update busbar.lease set owner = $1, until = clock_timestamp() + interval '${LEASE_MS} ms'
      where owner = $1 or until < clock_timestamp()`
    const { rowCount } = await this.#pool.query(claim, [this.#owner])
    if (rowCount === 0) return 0
    const { rows } = await this.#pool.query<Row>(`select id, message from busbar.outbox order by id limit ${PAGE}`)
    await this.#options.send(rows, this.#pool)
    return rows.length
  }
}

/** An id is taken once; its repetition must have the same payload. */
async function insert(client: PoolClient, message: Outgoing): Promise<PublishOutcome> {
  const { id, subject, key, headers, payload } = message
  const row = { id, subject, key, headers, payload: Buffer.from(payload).toString('base64') }
  const text = "insert into busbar.rows (message) values ($1) on conflict ((message->>'id')) do nothing returning id"
  const { rows } = await client.query<Row>(text, [JSON.stringify(row)])
  if (rows[0] !== undefined) return accepted(message, Number(rows[0].id))
  const same = "select from busbar.rows where message->>'id' = $1 and message->>'payload' = $2"
  const { rowCount } = await client.query(same, [id, row.payload])
  if (rowCount === 1) return { ...accepted(message), duplicate: true }
  return { status: 'rejected', error: new BusError('BUS_ID_CONFLICT', `[naive] publish ${id}: the id is taken`) }
}

export function outgoing(message: unknown, dedupId?: string): Outgoing {
  const { id, key, payload, ...rest } = message as Omit<Outgoing, 'payload'> & { readonly payload: string }
  const bytes = new Uint8Array(Buffer.from(payload, 'base64'))
  return { ...rest, id, key, payload: bytes, dedupId: dedupId ?? id, isFresh: false, delayMs: 0 }
}

/** The bus sends to the table; everything else goes straight to the adapter. */
export function throughOutbox(adapter: Adapter, outbox: NaiveOutbox): Partial<Adapter> {
  return {
    open: async (host) => {
      await adapter.open(host)
      await outbox.open()
    },
    publish: (batch) => Promise.all(batch.map((message) => outbox.store(message))),
    close: async () => {
      await outbox.close()
      await adapter.close()
    },
  }
}
