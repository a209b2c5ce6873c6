/** Two stores that are written side by side, the ways that lose or double: what the dual adapter is there to replace. */
import { randomUUID } from 'node:crypto'
import { setTimeout as wait } from 'node:timers/promises'
import { Pool } from 'pg'
import type { Adapter } from '../../../src/adapter.js'
import { BusError } from '../../../src/errors.js'
import { type Broken, instead } from './broken.js'
import { NaiveOutbox, outgoing, SCHEMA_LOCK, throughOutbox } from './naive-outbox.js'

const SEND_MS = 5000
/** Between two messages: a relay that spares its server is under way most of the time. */
const PACE_MS = 4
/** Nothing waits there. */
const ROWS = `create schema if not exists busbar; create table if not exists busbar.rows (id text);
  create or replace view busbar.outbox as select id from busbar.rows where false`

async function send(adapter: Adapter, message: unknown, dedupId?: string): Promise<void> {
  const [outcome] = await adapter.publish([outgoing(message, dedupId)], SEND_MS)
  if (outcome?.status !== 'accepted') throw outcome?.error ?? new Error('there was no answer')
}

/** A number is given before its row is committed: what commits late is passed by. */
export const relaysBehindLast: Broken = {
  name: 'relays what has a higher number than the last',
  adapter: 'nats',
  besideDatabase: true,
  faults: [],
  rule: 'R1',
  // Numbers are not given in the order in which publishes end.
  follows: ['R5'],
  breaks: (adapter, { connection = '' }) => {
    const outbox = new NaiveOutbox(connection, {
      waiting: 'id > (select last from busbar.lease)',
      send: async (rows, pool) => {
        for (const { message } of rows) await send(adapter, message)
        const last = rows.at(-1)
        if (last !== undefined) await pool.query('update busbar.lease set last = $1', [last.id])
      },
    })
    return instead(adapter, throughOutbox(adapter, outbox))
  },
}

/** What it had read before it stood still it sends all the same, though another one has taken over. */
export const relaysAsZombie: Broken = {
  name: 'relays after its lease has run out',
  adapter: 'nats',
  besideDatabase: true,
  faults: ['F3b'],
  rule: 'R4',
  follows: ['R3', 'R5', 'R6'],
  breaks: (adapter, { connection = '' }) => {
    const outbox = new NaiveOutbox(connection, {
      waiting: 'not is_sent',
      send: async (rows, pool) => {
        for (const { message } of rows) {
          await send(adapter, message, randomUUID())
          await wait(PACE_MS)
        }
        const ids = rows.map(({ id }) => id)
        await pool.query('update busbar.rows set is_sent = true where id = any($1)', [ids])
      },
    })
    return instead(adapter, throughOutbox(adapter, outbox))
  },
}

/** The database cannot take back what the broker has handed out. */
export const insertsAfterwards: Broken = {
  name: 'publishes first and inserts afterwards',
  adapter: 'nats',
  besideDatabase: true,
  faults: ['F10'],
  rule: 'R9',
  follows: ['R2'],
  breaks: (adapter, { connection = '' }) => {
    const pool = new Pool({ connectionString: connection, connectionTimeoutMillis: 3000 })
    pool.on('error', () => {})
    return instead(adapter, {
      open: async (host) => {
        await adapter.open(host)
        await pool.query(`begin; select pg_advisory_xact_lock(${SCHEMA_LOCK}); ${ROWS}; commit`)
      },
      publish: async (batch, timeoutMs) => {
        const outcomes = await adapter.publish(batch, timeoutMs)
        try {
          await pool.query('insert into busbar.rows select unnest($1::text[])', [batch.map(({ id }) => id)])
          return outcomes
        } catch (thrown) {
          const error = new BusError('BUS_UNAVAILABLE', '[naive] publish: the row cannot be written', { cause: thrown })
          return outcomes.map(() => ({ status: 'rejected', error }) as const)
        }
      },
      close: async () => {
        await adapter.close()
        await pool.end()
      },
    })
  },
}
