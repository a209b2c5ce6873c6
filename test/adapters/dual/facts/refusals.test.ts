/** A server that says no: what is refused is stored by nobody, and can be tried again. Titles begin with codes. */
import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { stat } from 'node:fs/promises'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { NotAcceptedError } from '../../../../src/errors.js'
import { range, until } from '../../../../testing/suite/expect.js'
import { type PostgresServer, startPostgres } from '../../../servers/postgres.js'
import { DualLab } from '../fixtures/dual-lab.js'

const run = promisify(execFile)
const PAYLOAD_BYTES = 400_000
/** Larger than a segment of the log of changes, which is written as a whole; a table that grows beyond it cannot be written any more. */
const ROOM_BYTES = 20 * 1024 * 1024

let postgres: PostgresServer
beforeAll(async () => {
  postgres = await startPostgres()
})
afterAll(() => postgres.stop())

/** Only the soft limit, which the server's own user may raise again; for connections that begin afterwards. */
async function limitFiles(bytes: string): Promise<void> {
  const { uid, gid } = await stat(`/proc/${postgres.pid}`)
  await run('prlimit', [`--pid=${postgres.pid}`, `--fsize=${bytes}:`], { uid, gid })
}

it('PG-D6: a server that became read-only refuses for now, says so in health, and nothing of it is there later', async () => {
  await using lab = await DualLab.open(postgres)
  const bus = await lab.bus()
  await bus.publish('orders.a', 1, { id: 'before' })
  const setReadOnly = async (value: 'on' | 'off'): Promise<void> => {
    await lab.sql(`alter system set default_transaction_read_only = ${value}`)
    await lab.sql('select pg_reload_conf()')
    const isSet = async () =>
      (await bus.transaction((tx) => tx.query<{ is: string }>(`select current_setting('transaction_read_only') as is`)))
        .rows[0]?.is === value
    await until(isSet, 'the setting')
  }
  await setReadOnly('on')
  for (const delay of [0, 50]) {
    const error = await bus.publish('orders.a', 2, { id: 'refused', delay }).catch((thrown: unknown) => thrown)
    expect(error).toBeInstanceOf(NotAcceptedError)
    expect(error).toMatchObject({ code: 'BUS_UNAVAILABLE', retryable: true })
  }
  const { reasons } = await bus.health()
  expect(reasons.join()).toMatch(/read-only/)
  // "alter system" is no transaction, so it works all the same.
  await setReadOnly('off')
  await bus.publish('orders.a', 3, { id: 'after' })
  await lab.relayed()
  expect(await lab.ids()).toEqual(['before', 'after'])
})

it('PG-D7: PG-U7: when the ledger cannot grow, publishes are rejected, what was accepted is kept, and it goes on when there is room', {
  timeout: 60_000,
}, async () => {
  await using lab = await DualLab.open(postgres)
  await limitFiles(String(ROOM_BYTES))
  const bus = await lab.bus()
  const [accepted, rejected]: string[][] = [[], []]
  for (const n of range(1, 2 * Math.ceil(ROOM_BYTES / PAYLOAD_BYTES))) {
    const id = `m${n}`
    try {
      await bus.publish('orders.a', randomBytes(PAYLOAD_BYTES), { id, timeout: 9000 })
      accepted?.push(id)
    } catch (thrown) {
      expect(thrown).toBeInstanceOf(NotAcceptedError)
      expect(thrown).toMatchObject({ code: 'BUS_UNAVAILABLE', retryable: true })
      rejected?.push(id)
    }
  }
  expect(accepted?.length).toBeGreaterThan(10)
  expect(rejected?.length).toBeGreaterThan(10)
  expect(await lab.ids()).toEqual(accepted)
  await limitFiles('unlimited')
  // Who serves a connection keeps the limit that it began with.
  await lab.sql(`select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'busbar'`)
  for (const id of rejected ?? []) await bus.publish('orders.a', randomBytes(10), { id, timeout: 9000 })
  expect(await lab.ids()).toEqual([...(accepted ?? []), ...(rejected ?? [])])
  await lab.relayed()
})

it('PG-U6: PG-U7: what the server gives up because of its own time limit is rejected, and is not there later', async () => {
  await using lab = await DualLab.open(postgres)
  const bus = await lab.bus({ dual: { statementTimeout: 300 } })
  await lab.sql(
    `create function %.dawdle() returns trigger language plpgsql as 'begin perform pg_sleep(1); return new; end'`,
  )
  await lab.sql('create trigger dawdle before insert on %.ledger for each row execute function %.dawdle()')
  const error = await bus.publish('orders.a', 1, { id: 'slow', timeout: 9000 }).catch((thrown: unknown) => thrown)
  expect(error).toBeInstanceOf(NotAcceptedError)
  expect(error).toMatchObject({ code: 'BUS_TIMEOUT' })
  await lab.sql('drop trigger dawdle on %.ledger')
  await bus.publish('orders.a', 2, { id: 'quick' })
  expect(await lab.ids()).toEqual(['quick'])
})
