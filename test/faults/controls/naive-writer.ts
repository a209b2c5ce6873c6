/**
 * A process of the naive dual write: an order goes into PostgreSQL and an event to JetStream, one after the other, with nothing that ties
 * them. It writes until its standard input ends. Argument: a `NaiveSetting` as JSON.
 */
import { jetstream } from '@nats-io/jetstream'
import { connect, headers } from '@nats-io/transport-node'
import { Pool } from 'pg'
import { randomOf } from '../../../testing/run-number.js'
import { openWriter, type Raw, rawOf, recordPublish } from './control.js'
import type { NaiveSetting } from './naive.js'

const PUBLISH_WITHIN_MS = 800
const CALLERS = 8
const PAUSE_MS = 25

const setting: NaiveSetting = JSON.parse(process.argv[2] ?? '{}')
const { folder, run, proc, style, natsUrl, postgresUrl } = setting
const history = await openWriter(folder, run, proc)
const client = await connect({ servers: natsUrl, maxReconnectAttempts: -1, reconnectTimeWait: 100 })
const js = jetstream(client)
const pool = new Pool({ connectionString: postgresUrl, max: CALLERS })
const random = randomOf(process.pid)
let ops = 0
let isOver = false

async function publish({ id, topic, payload, headers: own }: Raw): Promise<void> {
  const fields = headers()
  for (const [name, value] of Object.entries(own)) fields.set(name, value)
  await js.publish(topic, payload, { headers: fields, msgID: id, timeout: PUBLISH_WITHIN_MS })
}

const INSERT = 'insert into business.orders (id, body) values ($1, $2)'

/** The order is there once its row is committed, so it is accepted then; that its event failed is logged, and that is all. */
async function afterCommit(raw: Raw, accept: () => void): Promise<'accepted'> {
  await pool.query(INSERT, [raw.id, raw.data])
  accept()
  await publish(raw).catch(() => {})
  return 'accepted'
}

/** The event goes out before the commit; when it fails the order is rolled back, and the caller is told. */
async function beforeCommit(raw: Raw): Promise<'accepted' | 'rejected'> {
  const session = await pool.connect()
  try {
    await session.query('begin')
    await session.query(INSERT, [raw.id, raw.data])
    await publish(raw)
    await session.query('commit')
    return 'accepted'
  } catch {
    await session.query('rollback')
    return 'rejected'
  } finally {
    session.release()
  }
}

async function caller(): Promise<void> {
  while (!isOver) {
    const op = `${++ops}`
    const raw = rawOf(`${proc}.${process.pid}-${op}`, random)
    await recordPublish(history, op, raw, (accept) =>
      style === 'after the commit' ? afterCommit(raw, accept) : beforeCommit(raw),
    )
    await new Promise((resolve) => setTimeout(resolve, PAUSE_MS))
  }
}

process.stdin.on('end', () => {
  isOver = true
})
process.stdin.resume()
process.stdout.write('ready\n')
await Promise.all(Array.from({ length: CALLERS }, caller))
await client.close()
await pool.end()
await history.close()
