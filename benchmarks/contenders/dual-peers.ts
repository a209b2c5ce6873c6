/**
 * Two bare ways to have a message in PostgreSQL and in a stream: everybody who waits in one insert, and one insert for each. Nothing of a
 * bus: no ids of the caller's, no positions, no repetition after a doubt, and what is lost between the two is not found again.
 */
import { randomUUID } from 'node:crypto'
import { jetstream } from '@nats-io/jetstream'
import { connect } from '@nats-io/transport-node'
import pg from 'pg'
import type { Order } from '../contender.js'
import { askPostgres, count, newSchema, postgresUrl } from '../ledgers.js'
import { BenchStream, ONE } from '../streams.js'
import { openBarePeer } from './nats-peers.js'

/** To where messages are measured going. */
export interface Way {
  /** Resolves once it is accepted. */
  publish(order: Order): Promise<unknown>
  /** Disconnects. Rejects unless that many messages are stored, each of them once. */
  close(messages: number): Promise<void>
}

const INSERT = 'insert into %.messages (id, subject, payload)'
/** As a group commit of the bus. */
const GROUP = 1000
const POOL = 16

interface Waiting {
  readonly order: Order
  readonly resolve: () => void
  readonly reject: (error: unknown) => void
}

/** Whatever callers are waiting goes together; the stream hears of it afterwards, and the callers do not wait for that. */
export async function openGroup(): Promise<Way> {
  const { stream, schema, close } = await createTable()
  const nats = await openBarePeer(stream)
  const client = new pg.Client({ connectionString: await postgresUrl() })
  await client.connect()
  const text = `${INSERT} select * from unnest($1::text[], $2::text[], $3::bytea[])`.replace('%', schema)
  const relaying: Promise<unknown>[] = []
  const waiting: Waiting[] = []
  let isWorking = false
  const work = async (): Promise<void> => {
    isWorking = true
    await Promise.resolve()
    while (waiting.length > 0) {
      const group = waiting.splice(0, GROUP)
      try {
        const payloads = group.map(({ order }) => Buffer.from(JSON.stringify(order)))
        await client.query(text, [group.map(() => randomUUID()), group.map(() => stream.subject), payloads])
        for (const { order, resolve } of group) {
          relaying.push(nats.publish(order))
          resolve()
        }
      } catch (error) {
        for (const { reject } of group) reject(error)
      }
    }
    isWorking = false
  }
  return {
    publish: (order) =>
      new Promise<void>((resolve, reject) => {
        waiting.push({ order, resolve, reject })
        if (!isWorking) void work()
      }),
    async close(messages) {
      await Promise.all(relaying)
      await nats.close()
      await client.end()
      await close(messages)
    },
  }
}

export async function openNaive(): Promise<Way> {
  const { stream, schema, close } = await createTable()
  const nats = await connect({ servers: stream.url })
  const js = jetstream(nats)
  const pool = new pg.Pool({ connectionString: await postgresUrl(), max: POOL })
  const text = `${INSERT} values ($1, $2, $3)`.replace('%', schema)
  return {
    async publish(order) {
      const payload = Buffer.from(JSON.stringify(order))
      await pool.query(text, [randomUUID(), stream.subject, payload])
      await js.publish(stream.subject, payload)
    },
    async close(messages) {
      await nats.close()
      await pool.end()
      await close(messages)
    },
  }
}

/** A stream, and a table with an id that is there once. */
async function createTable() {
  const stream = await BenchStream.create(ONE)
  const schema = newSchema()
  await askPostgres(
    `create schema ${schema};
     create table ${schema}.messages (
       position bigint generated always as identity primary key, id text not null unique, subject text not null, payload bytea not null
     )`,
  )
  const close = async (messages: number): Promise<void> => {
    const stored = await count(`select count(*) from ${schema}.messages`)
    if (stored !== messages) throw new Error(`${messages} messages were published, ${stored} are in the table`)
    await stream.assertStored(messages)
    await stream.remove()
    await askPostgres(`drop table ${schema}.messages; drop schema ${schema}`)
  }
  return { stream, schema, close }
}
