/** The roles of docs/postgresql.md, made by the very statements that it prints: what each can do, and what it cannot. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { ledgerError } from '../../../adapters/dual/database/pg-failure.js'
import { Cleanup } from '../../../adapters/dual/report/cleanup.js'
import { observeFacts } from '../../../adapters/dual/report/facts.js'
import { findHindrances } from '../../../adapters/dual/report/hindrances.js'
import { inspectLedger } from '../../../adapters/dual/report/inspect.js'
import { systemClock } from '../../../src/clock.js'
import { silentLogger } from '../../../src/logger.js'
import { codeOfAsync } from '../../code-of.js'
import { HANDBOOK, type HandbookServer, startWithRoles } from './fixtures/handbook-roles.js'
import { LedgerLab } from './fixtures/ledger-lab.js'
import { positions } from './fixtures/readings.js'

const VIEWS = ['messages', 'consumer_lag', 'dead_letters', 'throughput']

let server: HandbookServer
beforeAll(async () => {
  server = await startWithRoles()
})
afterAll(async () => {
  await server.stop()
})

/** The code of the refusal of a statement; undefined when it is allowed. */
function refusal(lab: LedgerLab, sql: string): Promise<string | undefined> {
  return codeOfAsync(() =>
    lab.sql(sql).catch((thrown: unknown) => {
      throw ledgerError('ask', thrown)
    }),
  )
}

describe('the roles of the handbook', () => {
  it('the application can publish, settle, read, look and clean', async () => {
    await using lab = await LedgerLab.open(
      server.urlOf('busbar_app'),
      [{ name: 'roles', subjects: ['roles.>'], maxAge: '1h' }],
      HANDBOOK,
    )
    await lab.publish('roles.1', 'roles.2', 'roles.3')
    const consumer = await lab.consumer('roles', 'roles')
    await lab.settle(consumer, 1, 2)
    await lab.age('roles', [1], 7_200_000)
    expect(await positions(lab, { stream: 'roles' })).toEqual([2, 3])
    const { database, options } = lab
    await new Cleanup({ ...options, database, clock: systemClock, logger: silentLogger }).clean()
    const { streams, consumers } = await inspectLedger(database, lab.streams)
    expect([streams[0]?.messages, consumers.find(({ name }) => name === 'roles')?.unsettled]).toEqual([2, 1])
    expect((await observeFacts(database)).unlogged).toEqual([])
    expect(await findHindrances(database)).toEqual([])
  })

  it('the application cannot change the schema, nor what is said of it', async () => {
    await using lab = await LedgerLab.open(server.urlOf('busbar_app'), [], HANDBOOK)
    for (const sql of [
      'create table %.more ()',
      'alter table %.ledger add column more int',
      'drop view %.messages',
      'truncate %.ledger',
      `create or replace function %.forget(p_stream int, p_positions bigint[]) returns bigint language sql as 'select 0::bigint'`,
      `update %.migrations set checksum = ''`,
      'create schema more',
    ])
      expect([sql, await refusal(lab, sql)]).toEqual([sql, 'BUS_AUTH'])
  })

  it('a reader reads every view, and nothing else', async () => {
    await using app = await LedgerLab.open(
      server.urlOf('busbar_app'),
      [{ name: 'read', subjects: ['read.>'] }],
      HANDBOOK,
    )
    await app.publish('read.1', {
      subject: 'read.2',
      payload: Uint8Array.of(0),
      headers: { 'Busbar-Dead-Consumer': 'x%41' },
    })
    await using lab = new LedgerLab(server.urlOf('busbar_reader'), HANDBOOK)
    const [letter] = await lab.sql<{ consumer: string }>(`select * from %.dead_letters where stream = 'read'`)
    expect(letter?.consumer).toBe('xA')
    for (const view of VIEWS) expect([view, await refusal(lab, `select * from %.${view}`)]).toEqual([view, undefined])
    for (const table of ['ledger', 'streams', 'inbox', 'settled', 'past_ids', 'delayed', 'outbox', 'migrations'])
      expect([table, await refusal(lab, `select from %.${table}`)]).toEqual([table, 'BUS_AUTH'])
    expect(await refusal(lab, `delete from %.messages`)).toBeDefined()
    expect(await refusal(lab, `select %.forget(1, '{1}')`)).toBe('BUS_AUTH')
  })
})
