/**
 * Brings a schema up to date: every missing step in one transaction, under a lock that only one process gets, with a checksum for each
 * step. It never goes back.
 */
import { createHash } from 'node:crypto'
import type { PoolClient } from 'pg'
import { BusError } from '../../../src/errors.js'
import { MIGRATIONS, type Migration } from '../migrations/index.js'
import { BEGIN, type Database } from './database.js'
import { ledgerError } from './pg-failure.js'

/** First half of the advisory lock that migrations of all schemas of a database take. */
const MIGRATION_LOCK = 1_651_860_850

export interface MigrationReport {
  /** Names of the steps that were applied now, in order. */
  readonly applied: readonly string[]
  readonly version: number
}

/**
 * @param mayApply otherwise missing steps are an error
 * @throws BusError `BUS_CONFIG` when steps are missing and may not be applied, when an applied step was changed, or when the schema is
 *   of a newer busbar
 */
export async function migrate(database: Database, mayApply: boolean): Promise<MigrationReport> {
  const client = await database.connect('work').catch((thrown: unknown) => {
    throw ledgerError('connect', thrown)
  })
  try {
    await client.query(BEGIN)
    const report = await bringUpToDate(client, database.schema, mayApply)
    await client.query('commit')
    client.release()
    return report
  } catch (thrown) {
    client.release(true)
    throw ledgerError(`migrate schema ${database.schema}`, thrown)
  }
}

async function bringUpToDate(client: PoolClient, schema: string, mayApply: boolean): Promise<MigrationReport> {
  await client.query('select pg_advisory_xact_lock($1, hashtext($2))', [MIGRATION_LOCK, schema])
  const applied = await appliedSteps(client, schema)
  assertUnchanged(applied, schema)
  const missing = MIGRATIONS.filter(({ version }) => !applied.has(version))
  if (missing.length > 0 && !mayApply)
    throw config(`schema ${schema} lacks ${missing.map(({ name }) => name).join(', ')}. Run: busbar migrate`)
  if (applied.size === 0) await createBookkeeping(client, schema)
  await client.query(`set local search_path to ${schema}`)
  for (const step of missing) await apply(client, step, schema)
  return { applied: missing.map(({ name }) => name), version: MIGRATIONS.at(-1)?.version ?? 0 }
}

/** Version to checksum; empty when the schema is not there. */
async function appliedSteps(client: PoolClient, schema: string): Promise<Map<number, string>> {
  const { rows: found } = await client.query<{ there: boolean }>('select to_regclass($1) is not null as there', [
    `${schema}.migrations`,
  ])
  if (found[0]?.there !== true) return new Map()
  const { rows } = await client.query<{ version: number; checksum: string }>(
    `select version, checksum from ${schema}.migrations`,
  )
  return new Map(rows.map(({ version, checksum }) => [version, checksum]))
}

function assertUnchanged(applied: ReadonlyMap<number, string>, schema: string): void {
  for (const [version, checksum] of applied) {
    const step = MIGRATIONS.find((each) => each.version === version)
    if (step === undefined)
      throw config(`schema ${schema} is of version ${version}, newer than this busbar. Install a newer one`)
    if (checksumOf(step) !== checksum)
      throw config(`step ${step.name} of schema ${schema} is not the one of this busbar. Use another schema`)
  }
}

async function createBookkeeping(client: PoolClient, schema: string): Promise<void> {
  // An administrator may have made it for a role that must not make any.
  const { rows } = await client.query<{ there: boolean }>('select to_regnamespace($1) is not null as there', [schema])
  if (rows[0]?.there !== true) await client.query(`create schema ${schema}`)
  await client.query(
    `create table ${schema}.migrations (
      version int primary key, name text not null, checksum text not null, applied_at timestamptz not null default clock_timestamp()
    )`,
  )
}

async function apply(client: PoolClient, step: Migration, schema: string): Promise<void> {
  await client.query(step.sql.replaceAll('%schema%', schema))
  await client.query('insert into migrations (version, name, checksum) values ($1, $2, $3)', [
    step.version,
    step.name,
    checksumOf(step),
  ])
}

function checksumOf({ sql }: Migration): string {
  return createHash('sha256').update(sql).digest('hex')
}

function config(problem: string): BusError {
  return new BusError('BUS_CONFIG', `[dual] ${problem}`)
}
