/** What is seen of a server, what is promised on that, and what a strict bus refuses. Titles begin with the fact's code. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { ledgerError } from '../../../../adapters/dual/database/pg-failure.js'
import { assertDurable, type LedgerFacts, notesOn, observeFacts } from '../../../../adapters/dual/report/facts.js'
import { guaranteesOf } from '../../../../adapters/dual/report/guarantees.js'
import { findHindrances } from '../../../../adapters/dual/report/hindrances.js'
import type { Guarantee } from '../../../../src/adapter.js'
import { BusError } from '../../../../src/errors.js'
import { resolveStream } from '../../../../src/topology.js'
import { nth, until } from '../../../../testing/suite/expect.js'
import { codeOf } from '../../../code-of.js'
import { type PostgresServer, startPostgres } from '../../../servers/postgres.js'
import { LedgerLab } from '../fixtures/ledger-lab.js'

let sound: PostgresServer
let careless: PostgresServer
let hasty: PostgresServer
beforeAll(async () => {
  ;[sound, careless, hasty] = await Promise.all([
    startPostgres({ settings: { max_prepared_transactions: '2', wal_level: 'logical' } }),
    startPostgres({ settings: { fsync: 'off', full_page_writes: 'off' } }),
    startPostgres({ settings: { synchronous_commit: 'off', wal_writer_delay: '10s' } }),
  ])
})
afterAll(async () => {
  await Promise.all([sound, careless, hasty].map((server) => server.stop()))
})

const SETTINGS = { keepIdsMs: 1000, inner: 'nats', streams: [] }

async function factsOf(server: PostgresServer): Promise<LedgerFacts> {
  await using lab = await LedgerLab.open(server.url)
  return await observeFacts(lab.database)
}

function line(facts: LedgerFacts | undefined, topic: Guarantee['topic']): Guarantee {
  return nth(
    guaranteesOf(facts, SETTINGS).filter((each) => each.topic === topic),
    0,
  )
}

/** What `assertDurable` says; fails when it says nothing. */
function refusal(facts: LedgerFacts): string {
  try {
    assertDurable(facts)
  } catch (thrown) {
    if (thrown instanceof BusError && thrown.code === 'BUS_CONFIG') return thrown.message
    throw thrown
  }
  throw new Error('nothing was refused')
}

describe('the facts of a server', () => {
  it('a sound server is told as it is, and a strict bus takes it', async () => {
    const facts = await factsOf(sound)
    expect(facts).toEqual({
      version: sound.version,
      fsync: 'on',
      fullPageWrites: 'on',
      synchronousCommit: 'on',
      synchronousStandbyNames: '',
      isInRecovery: false,
      isReadOnly: false,
      unlogged: [],
    })
    expect(codeOf(() => assertDurable(facts))).toBeUndefined()
    expect(notesOn(facts)).toEqual([])
    expect(line(facts, 'accepted').observed).toContain(sound.version)
  })

  it('PG-D2: fsync or full_page_writes off is seen, told and refused by name', async () => {
    const facts = await factsOf(careless)
    expect(refusal(facts)).toMatch(/fsync is off, full_page_writes is off/)
    expect(line(facts, 'accepted').observed).toContain('fsync off')
    expect(line(facts, 'lost-only-if').promise).toContain('the server stops without notice (fsync is off')
    expect(refusal({ ...facts, fsync: 'on' })).not.toContain('fsync')
  })

  it('PG-D1: synchronous_commit off is seen and refused, and yet what was accepted is on the disk', async () => {
    await using lab = await LedgerLab.open(hasty.url)
    const facts = await observeFacts(lab.database)
    expect(refusal(facts)).toContain('synchronous_commit is off')
    expect(line(facts, 'accepted').observed).toContain('synchronous_commit off (on for each publish)')
    for (let n = 0; n < 10; n++) {
      const [before] = await lab.sql<{ lsn: string }>('select pg_current_wal_insert_lsn() as lsn')
      await lab.publish('orders.1')
      const [after] = await lab.sql<{ flushed: boolean }>(
        'select pg_current_wal_flush_lsn() > $1 as flushed',
        before?.lsn,
      )
      expect(after?.flushed).toBe(true)
    }
  })

  it('PG-D3: without a synchronous standby a fail-over is named among what loses messages', async () => {
    const facts = await factsOf(sound)
    expect(line(facts, 'lost-only-if').promise).toContain('a standby takes over')
    const standby = { ...facts, synchronousStandbyNames: 'ANY 1 (a, b)' }
    expect(line(standby, 'lost-only-if')).toMatchObject({ observed: 'synchronous_standby_names ANY 1 (a, b)' })
    expect(line(standby, 'lost-only-if').promise).not.toContain('standby')
    expect(codeOf(() => assertDurable({ ...facts, synchronousCommit: 'local' }))).toBeUndefined()
    expect(refusal({ ...standby, synchronousCommit: 'local' })).toContain('synchronous_commit is local')
  })

  it('PG-D5: every table of the ledger survives a crash; one that does not is refused by name', async () => {
    await using lab = await LedgerLab.open(sound.url)
    expect((await observeFacts(lab.database)).unlogged).toEqual([])
    await lab.sql('alter table %.inbox set unlogged')
    expect(refusal(await observeFacts(lab.database))).toContain('table inbox is unlogged')
  })

  it('PG-D6: a read-only server is named, and refuses what is published, for now', async () => {
    await using lab = await LedgerLab.open(hasty.url)
    await lab.sql('alter system set default_transaction_read_only = on')
    await lab.sql('select pg_reload_conf()')
    await until(async () => (await observeFacts(lab.database)).isReadOnly, 'the setting')
    expect(notesOn(await observeFacts(lab.database))).toEqual([
      expect.stringContaining('default_transaction_read_only'),
    ])
    const thrown: unknown = await lab.publish('orders.1').catch((error: unknown) => error)
    expect(thrown).toMatchObject({ effect: 'refused', code: '25006' })
    expect(ledgerError('publish', thrown)).toMatchObject({ code: 'BUS_UNAVAILABLE', retryable: true })
    const inRecovery = { ...(await observeFacts(lab.database)), isInRecovery: true }
    expect(notesOn(inRecovery)).toEqual([expect.stringContaining('primary')])
  })

  it('PG-R5: what keeps the room of dead rows is found: old transactions, prepared ones, slots that nobody reads', async () => {
    await using lab = await LedgerLab.open(sound.url)
    expect(await findHindrances(lab.database)).toEqual([])
    const client = await lab.database.connect('work')
    await client.query('begin')
    const { rows } = await client.query<{ pid: number }>('select pg_backend_pid() as pid')
    await lab.sql(`select pg_create_logical_replication_slot('forgotten', 'pgoutput')`)
    await lab.sql(`begin; create table %.left (); prepare transaction 'half'`)
    const found = (await findHindrances(lab.database, 0)).join('\n')
    expect(found).toContain(`a transaction of process ${nth(rows, 0).pid} has been open`)
    expect(found).toContain('prepared transaction half')
    expect(found).toContain('replication slot forgotten')
    await client.query('rollback')
    client.release()
    await lab.sql(`rollback prepared 'half'`)
    await lab.sql(`select pg_drop_replication_slot('forgotten')`)
  })
})

describe('the guarantees of a ledger', () => {
  it('has one line for each topic, and what was not seen is unknown', () => {
    const topics = guaranteesOf(undefined, SETTINGS).map(({ topic }) => topic)
    expect(new Set(topics).size).toBe(11)
    expect(topics).toHaveLength(11)
    expect([line(undefined, 'accepted').observed, line(undefined, 'lost-only-if').observed]).toEqual([
      'unknown',
      'unknown',
    ])
  })

  it('names limits and how long ids are kept', () => {
    const limited = resolveStream({ name: 'orders', subjects: ['orders.>'], maxMessages: 10, discard: 'old' })
    const lines = guaranteesOf(undefined, { ...SETTINGS, streams: [limited] })
    const observed = lines.map((each) => each.observed).join('\n')
    expect(observed).toContain('orders: limits, discard old')
    expect(observed).toContain('ids are kept for 1000 ms')
    expect(lines.find(({ topic }) => topic === 'lost-only-if')?.promise).toContain('discard "old"')
  })
})
