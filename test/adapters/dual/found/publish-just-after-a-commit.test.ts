/** Group commit must miss no call, at whatever moment it comes: here in each of the first turns after a commit was answered. */
import { afterAll, beforeAll, expect, it } from 'vitest'
import type { Draft } from '../../../../adapters/dual/publish/drafts.js'
import { toDrafts } from '../../../../adapters/dual/publish/drafts.js'
import { GroupCommit } from '../../../../adapters/dual/publish/group-commit.js'
import { append } from '../../../../adapters/dual/sql/append.js'
import { systemClock } from '../../../../src/clock.js'
import { NO_HEADERS } from '../../../../src/message.js'
import { type PostgresServer, startPostgres } from '../../../servers/postgres.js'
import { LedgerLab } from '../fixtures/ledger-lab.js'

const TURNS = 12
const TIMEOUT_MS = 2000
const OWNER = '22222222-2222-4222-8222-222222222222'

let postgres: PostgresServer
beforeAll(async () => {
  postgres = await startPostgres()
})
afterAll(() => postgres.stop())

it('stores what comes just after a commit, however few turns later', async () => {
  await using lab = await LedgerLab.open(postgres.url)
  const stream = lab.streams.require('orders')
  let onStored = (): void => {}
  const commit = new GroupCommit({
    database: lab.database,
    clock: systemClock,
    statement: (drafts, isRepeated) => append(lab.database.schema, OWNER, toDrafts(drafts), isRepeated, null),
    onStored: () => onStored(),
    onDoubt: () => {},
  })
  const draft = (id: string): Draft => {
    const message = { id, dedupId: id, isFresh: true, subject: 'orders.new', key: undefined, headers: NO_HEADERS }
    return { stream, message: { ...message, payload: new Uint8Array(), text: undefined, delayMs: 0 } }
  }

  const statuses: unknown[] = []
  for (let turns = 0; turns < TURNS; turns++) {
    const next = new Promise<unknown>((resolve) => {
      onStored = () => {
        onStored = () => {}
        void later(turns).then(() => resolve(commit.add([draft(`next-${turns}`)], TIMEOUT_MS)))
      }
    })
    await commit.add([draft(`first-${turns}`)], TIMEOUT_MS)
    statuses.push(await next)
  }

  expect(statuses).toEqual(Array.from({ length: TURNS }, () => [expect.objectContaining({ status: 'accepted' })]))
}, 60_000)

async function later(turns: number): Promise<void> {
  for (let turn = 0; turn < turns; turn++) await Promise.resolve()
}
