/** A group commit in columns: what comes out is what went in, and whatever is not plain is noticed as if it had come as drafts. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Answer } from '../../../../adapters/dual/publish/answer.js'
import { toColumns } from '../../../../adapters/dual/publish/columns.js'
import { contentHash } from '../../../../adapters/dual/publish/content-hash.js'
import { toDrafts } from '../../../../adapters/dual/publish/drafts.js'
import { appendGroup } from '../../../../adapters/dual/sql/append-group.js'
import { postpone } from '../../../../adapters/dual/sql/postpone.js'
import { messageBytes, NO_HEADERS, type Outgoing } from '../../../../src/message.js'
import { nth } from '../../../../testing/suite/expect.js'
import { type PostgresServer, startPostgres } from '../../../servers/postgres.js'
import { LedgerLab } from '../fixtures/ledger-lab.js'

const OWNER = '22222222-2222-4222-8222-222222222222'

let server: PostgresServer
beforeAll(async () => {
  server = await startPostgres()
})
afterAll(async () => {
  await server.stop()
})

function note(id: string, fields: Partial<Outgoing> = {}): Outgoing {
  const payload = Buffer.from(`of ${id}`)
  const plain = { dedupId: id, isFresh: false, subject: 'orders.1', key: undefined, headers: NO_HEADERS, delayMs: 0 }
  return { id, payload, ...plain, ...fields }
}

function draftsOf(lab: LedgerLab, messages: readonly Outgoing[]) {
  const stream = lab.streams.require('orders')
  return messages.map((message) => ({ message, stream }))
}

async function publish(lab: LedgerLab, ...messages: readonly Outgoing[]): Promise<Answer> {
  const columns = toColumns(draftsOf(lab, messages))
  const statement = appendGroup(lab.database.schema, OWNER, columns, false, 1000)
  return nth(await lab.database.query<{ answer: Answer }>('publish', statement), 0).answer
}

describe('a group commit in columns', () => {
  it.each([
    [
      'ids, keys and headers that mean something to an array',
      ['NULL', '{a,b}', 'a"b', '\\', ' ', ',', '{}', '""', 'é€😀'],
    ],
    ['one message', ['a']],
    ['many messages', Array.from({ length: 1200 }, (_, at) => `m-${at}`)],
  ])('brings %s to the ledger as they are', async (_, texts) => {
    await using lab = await LedgerLab.open(server.url)
    const messages = texts.map((text, at) =>
      note(text, {
        ...(at % 3 === 1 && { key: text, isFresh: true }),
        ...(at % 3 === 2 && { headers: { note: text, 'x"{,}\\': 'NULL' }, dedupId: `again ${text}` }),
        payload: Buffer.alloc((at * 37) % 1000, at),
      }),
    )
    const { runs, odd } = await publish(lab, ...messages)
    expect([odd, runs.map(([, first, last]) => [first, last])]).toEqual([[], [[1, texts.length]]])
    const rows = await lab.sql(
      `select id, dedup_id, subject, key, headers, payload, encode(hash, 'hex') as hash, bytes, deduped from %.ledger order by position`,
    )
    expect(rows).toEqual(
      messages.map((message) => ({
        id: message.id,
        dedup_id: message.dedupId === message.id ? null : message.dedupId,
        subject: message.subject,
        key: message.key ?? null,
        headers: message.headers === NO_HEADERS ? null : JSON.stringify(message.headers),
        payload: message.payload,
        hash: contentHash(message),
        bytes: messageBytes(message),
        deduped: true,
      })),
    )
  })

  it('tells the time that its rows have, and that older ones of its keys wait elsewhere', async () => {
    await using lab = await LedgerLab.open(server.url)
    const [alone] = (await publish(lab, note('a'), note('b'))).runs
    const times = await lab.sql<{ ms: string }>('select distinct extract(epoch from time) * 1000 as ms from %.ledger')
    expect(times.map(({ ms }) => Number(ms))).toEqual([alone?.[3]])
    await lab.publish({ subject: 'orders.1', key: 'red' })
    const [behind] = (await publish(lab, note('c', { key: 'red' }))).runs
    const [free] = (await publish(lab, note('d', { key: 'blue' }))).runs
    expect([alone?.[4], behind?.[4], free?.[4]]).toEqual([false, true, false])
  })

  it('recognises ids of messages that are there, that are gone, that are delayed, and that are in it twice', async () => {
    await using lab = await LedgerLab.open(server.url)
    await publish(lab, note('there'), note('gone'))
    await lab.forget('orders', 2)
    const delayed = toDrafts(draftsOf(lab, [note('delayed')]))
    await lab.database.query('publish', postpone(lab.database.schema, delayed, [60_000], 1000))
    const other = { payload: Buffer.from('other') }
    expect((await publish(lab, note('new'), note('there'))).odd).toEqual([[1, 'duplicate', 1]])
    expect((await publish(lab, note('gone'))).odd).toEqual([[0, 'duplicate', 2]])
    expect((await publish(lab, note('delayed'))).odd).toEqual([[0, 'duplicate', 0]])
    expect((await publish(lab, note('twice'), note('twice'))).odd).toEqual([[1, 'repeated', 0]])
    expect((await publish(lab, note('gone', other))).odd).toEqual([[0, 'conflict', 2]])
    expect((await publish(lab, note('x', { dedupId: 'there', ...other }))).odd).toEqual([[0, 'conflict', 1]])
  })

  it('refuses what a full stream has no room for', async () => {
    await using lab = await LedgerLab.open(server.url, [
      { name: 'orders', subjects: ['orders.>'], maxMessages: 2, discard: 'new' },
    ])
    const { runs, odd } = await publish(lab, note('a'), note('b'), note('c'))
    expect([runs.map(([, first, last]) => [first, last]), odd]).toEqual([[[1, 2]], [[2, 'full', 0]]])
  })
})

describe('the row of a stream', () => {
  it('stays while the ledger has messages of it', async () => {
    await using lab = await LedgerLab.open(server.url)
    await publish(lab, note('a'))
    await lab.sql('delete from %.outbox')
    const failure = await lab.sql('delete from %.streams').catch((thrown: unknown) => thrown)
    expect(failure).toMatchObject({ code: '23503' })
    await lab.sql('delete from %.ledger')
    await lab.sql('delete from %.streams')
  })
})
