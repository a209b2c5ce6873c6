/**
 * An outbox whose relay asks for `id > last`: ids are drawn when a row is written and seen when it is committed, so a row that commits after a
 * later one is never asked for again. Nothing else has to break.
 */
import { setTimeout as wait } from 'node:timers/promises'
import { jetstream, jetstreamManager } from '@nats-io/jetstream'
import { connect, headers, type NatsConnection } from '@nats-io/transport-node'
import { Client, Pool } from 'pg'
import type { HistoryFile } from '../../../testing/history/index.js'
import { randomOf } from '../../../testing/run-number.js'
import { startNats } from '../../servers/nats-server.js'
import { startPostgres } from '../../servers/postgres.js'
import { STREAM, SUBJECTS } from '../client/setting.js'
import { Controlled, type ControlResult, type Raw, rawOf, recordPublish } from './control.js'

const LOAD_MS = 6000
const CALLERS = 16
const POLL_MS = 20
/** What a transaction does after its row is written, at most. */
const WORK_MS = 40

export async function idRelay(folder: string): Promise<ControlResult> {
  const nats = await startNats()
  const postgres = await startPostgres()
  const pool = new Pool({ connectionString: postgres.url, max: CALLERS })
  const client = await connect({ servers: nats.url })
  try {
    await (await jetstreamManager(client)).streams.add({ name: STREAM, subjects: SUBJECTS })
    await pool.query('create table outbox (id bigserial primary key, subject text, headers jsonb, payload bytea)')
    const versions = { 'nats-server': nats.version, postgresql: postgres.version }
    const control = await Controlled.begin(folder, 'id-relay', versions)
    const history = await control.writer('p1')
    const end = new AbortController()
    const relaying = relay(postgres.url, client, end.signal)
    await load(history, pool)
    end.abort()
    await relaying
    await history.close()
    const setup = 'outbox, relayed by id > last'
    return await control.judge(nats.url, { setup, under: 'concurrent commits, no fault' })
  } finally {
    await client.close()
    await pool.end()
    await Promise.all([nats.stop(), postgres.stop()])
  }
}

async function load(history: HistoryFile, pool: Pool): Promise<void> {
  const random = randomOf(1)
  const until = performance.now() + LOAD_MS
  let ops = 0
  const caller = async (): Promise<void> => {
    while (performance.now() < until) {
      const op = `${++ops}`
      const raw = rawOf(`p1-${op}`, random)
      await recordPublish(history, op, raw, () => insert(pool, raw, random() * WORK_MS))
    }
  }
  await Promise.all(Array.from({ length: CALLERS }, caller))
}

async function insert(pool: Pool, { topic, headers: own, payload }: Raw, workMs: number): Promise<'accepted'> {
  const session = await pool.connect()
  try {
    await session.query('begin')
    await session.query('insert into outbox (subject, headers, payload) values ($1, $2, $3)', [topic, own, payload])
    await wait(workMs)
    await session.query('commit')
    return 'accepted'
  } finally {
    session.release()
  }
}

interface Row {
  readonly id: string
  readonly subject: string
  readonly headers: Readonly<Record<string, string>>
  readonly payload: Buffer
}

/** Goes on until it has found nothing after the signal. */
async function relay(url: string, client: NatsConnection, over: AbortSignal): Promise<void> {
  const js = jetstream(client)
  const session = new Client({ connectionString: url })
  await session.connect()
  let last = '0'
  for (;;) {
    const isLast = over.aborted
    const { rows } = await session.query<Row>('select * from outbox where id > $1 order by id', [last])
    for (const row of rows) {
      const fields = headers()
      for (const [name, value] of Object.entries(row.headers)) fields.set(name, value)
      await js.publish(row.subject, row.payload, { headers: fields })
      last = row.id
    }
    if (isLast) break
    await wait(POLL_MS)
  }
  await session.end()
}
