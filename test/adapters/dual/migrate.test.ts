/** Bringing a schema up to date: once, whole, and only by a busbar that knows it. */
import { afterAll, beforeAll, expect, it } from 'vitest'
import { migrate } from '../../../adapters/dual/database/migrate.js'
import { MIGRATIONS } from '../../../adapters/dual/migrations/index.js'
import { growing, range } from '../../../testing/suite/expect.js'
import { codeOfAsync } from '../../code-of.js'
import { type PostgresServer, startPostgres } from '../../servers/postgres.js'
import { LedgerLab } from './fixtures/ledger-lab.js'

let server: PostgresServer
beforeAll(async () => {
  server = await startPostgres()
})
afterAll(async () => {
  await server.stop()
})

const NAMES = MIGRATIONS.map(({ name }) => name)
const VERSION = MIGRATIONS.length

it('steps are numbered without a gap and named once', () => {
  growing(MIGRATIONS.map(({ version }) => version))
  expect([MIGRATIONS.at(-1)?.version, new Set(NAMES).size]).toEqual([VERSION, VERSION])
})

it('a schema is made once, and left alone afterwards', async () => {
  await using lab = new LedgerLab(server.url)
  expect(await migrate(lab.database, true)).toEqual({ applied: NAMES, version: VERSION })
  expect(await migrate(lab.database, true)).toEqual({ applied: [], version: VERSION })
  expect(await migrate(lab.database, false)).toEqual({ applied: [], version: VERSION })
})

it('processes that migrate at once all succeed, and one of them does the work', async () => {
  const { schema } = new LedgerLab(server.url).options
  const labs = range(1, 4).map(() => new LedgerLab(server.url, { schema }))
  const reports = await Promise.all(labs.map(({ database }) => migrate(database, true)))
  expect(reports.map(({ applied }) => applied.length).toSorted()).toEqual([0, 0, 0, VERSION])
  await Promise.all(labs.map(({ database }) => database.close()))
})

it('missing steps are refused when they may not be applied, and nothing is made', async () => {
  await using lab = new LedgerLab(server.url)
  expect(await codeOfAsync(() => migrate(lab.database, false))).toBe('BUS_CONFIG')
  const { schema } = lab.options
  expect(await lab.sql('select 1 as found from pg_namespace where nspname = $1', schema)).toEqual([])
})

it('a step that is not the one that was applied is refused', async () => {
  await using lab = await LedgerLab.open(server.url)
  await lab.sql(`update %.migrations set checksum = 'another' where version = 2`)
  expect(await codeOfAsync(() => migrate(lab.database, true))).toBe('BUS_CONFIG')
})

it('a schema of a newer busbar is refused', async () => {
  await using lab = await LedgerLab.open(server.url)
  await lab.sql(`insert into %.migrations (version, name, checksum) values ($1, 'later', '')`, VERSION + 1)
  expect(await codeOfAsync(() => migrate(lab.database, true))).toBe('BUS_CONFIG')
})

it('steps that fail leave nothing behind', async () => {
  await using lab = new LedgerLab(server.url)
  await lab.sql('create schema %')
  // In the way of a later step.
  await lab.sql('create table %.settled ()')
  expect(await codeOfAsync(() => migrate(lab.database, true))).toBe('BUS_UNAVAILABLE')
  const tables = await lab.sql('select tablename from pg_tables where schemaname = $1', lab.options.schema)
  expect(tables).toEqual([{ tablename: 'settled' }])
})
