/** The proxy acts at the statement that it was told, and the pooler keeps nothing for its clients. */
import pg from 'pg'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { notBefore, until } from '../../testing/suite/expect.js'
import { type PgPooler, startPgPooler } from './pg-pooler.js'
import { type PgProxy, startPgProxy } from './pg-proxy.js'
import { type PostgresServer, startPostgres } from './postgres.js'

let postgres: PostgresServer
let direct: pg.Client
beforeAll(async () => {
  postgres = await startPostgres()
  direct = await client(postgres.url)
  await direct.query('create table notes (text text)')
})
afterAll(async () => {
  await direct.end()
  await postgres.stop()
})
beforeEach(() => direct.query('truncate notes'))

async function client(connectionString: string, options: pg.ClientConfig = {}): Promise<pg.Client> {
  const made = new pg.Client({ connectionString, ...options })
  made.on('error', () => {})
  await made.connect()
  return made
}

async function notes(): Promise<string[]> {
  return (await direct.query<{ text: string }>('select text from notes')).rows.map(({ text }) => text)
}

const ADD = 'insert into notes values ($1)'

describe('a proxy that knows statements', () => {
  let proxy: PgProxy
  let writer: pg.Client
  beforeEach(async () => {
    proxy = await startPgProxy(postgres.port)
    writer = await client(proxy.url, { query_timeout: 500 })
  })
  afterEach(async () => {
    await writer.end().catch(() => {})
    await proxy.stop()
    await proxy.stop()
  })

  it('hands on everything else, and tells what was said', async () => {
    await writer.query('select 1')
    await writer.query(ADD, ['a'])
    expect([await notes(), proxy.statements, proxy.connections]).toEqual([['a'], ['select 1', ADD], 1])
  })

  it('ends the connection before the statement, or after it, whose reply is lost', async () => {
    const before = proxy.at(/insert/, 'cut before')
    await expect(writer.query(ADD, ['a'])).rejects.toThrow()
    const second = await client(proxy.url)
    const after = proxy.at(/insert/, 'swallow and cut')
    await expect(second.query(ADD, ['b'])).rejects.toThrow()
    await after.done
    expect([before.isMet, await notes()]).toEqual([true, ['b']])
  })

  it('leaves the connection open and silent', async () => {
    const fault = proxy.at(/insert/, 'swallow')
    await expect(writer.query(ADD, ['a'])).rejects.toThrow(/timeout/i)
    await fault.done
    expect([await notes(), proxy.connections]).toEqual([['a'], 1])
  })

  it('ends the connection while the statement is done', async () => {
    const fault = proxy.at(/insert/, 'cut at once')
    await expect(writer.query(`insert into notes select 'a' from pg_sleep(0.2)`)).rejects.toThrow()
    expect(await notes()).toEqual([])
    await fault.done
    expect(await notes()).toEqual(['a'])
  })

  it('acts on the statement of a number, behind another one, and late', async () => {
    const since = performance.now()
    const fault = proxy.at(/insert/, { delayMs: 100 }, { nth: 2, after: /select 2/ })
    for (const n of [1, 2, 2]) {
      await writer.query(`select ${n}`)
      await writer.query(ADD, [n])
    }
    notBefore(since, 100, 'the third')
    expect([fault.isMet, await notes()]).toEqual([true, ['1', '2', '2']])
  })
})

describe('a pooler in transaction mode', () => {
  let pooler: PgPooler
  beforeAll(async () => {
    pooler = await startPgPooler(postgres.port, 2)
  })
  afterAll(() => pooler.stop())

  it('gives every transaction another connection, and keeps one for as long as it is open', async () => {
    const one = await client(pooler.url)
    const pid = async () => (await one.query<{ pid: number }>('select pg_backend_pid() as pid')).rows[0]?.pid
    expect(await pid()).not.toBe(await pid())
    await one.query('begin')
    expect(await pid()).toBe(await pid())
    await one.query('commit')
    await one.end()
  })

  it('ends the transaction of a client that has gone', async () => {
    const one = await client(pooler.url)
    await one.query('begin')
    await one.query(ADD, ['never'])
    await one.end()
    const open = `select from pg_stat_activity where state like 'idle in transaction%'`
    await until(async () => (await direct.query(open)).rowCount === 0, 'the transaction to end')
    expect(await notes()).toEqual([])
  })

  it('refuses settings at connect', async () => {
    await expect(client(pooler.url, { statement_timeout: 1000 })).rejects.toThrow(/unsupported startup parameter/)
  })
})
