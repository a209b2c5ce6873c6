/** A reply that never comes, and a statement that never arrives, at every statement of publish, relay, settle and what goes with them. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Act, FaultOptions } from '../../../servers/pg-proxy.js'
import { type PostgresServer, startPostgres } from '../../../servers/postgres.js'
import { DualLab } from '../fixtures/dual-lab.js'
import { Life } from '../fixtures/life.js'

interface Place extends FaultOptions {
  readonly name: string
  readonly pattern: RegExp
}

const PLACES: readonly Place[] = [
  { name: 'a publish', pattern: /append_batch/ },
  { name: 'a later publish', pattern: /append_batch/, nth: 5 },
  { name: 'a delayed publish', pattern: /postpone_batch/ },
  { name: 'moving what was delayed', pattern: /promote/, nth: 2 },
  { name: 'looking at the outbox', pattern: /select o\.first, o\.last/ },
  { name: 'taking a range of the outbox', pattern: /update .*outbox/ },
  { name: 'reading what is to be relayed', pattern: /from .*\.ledger l join .*\.streams/ },
  { name: 'ending a range of the outbox', pattern: /\.relayed\(/ },
  { name: 'looking for what others left', pattern: /select distinct o\.stream_id/ },
  { name: 'the heartbeat', pattern: /insert into .*\.relays/ },
  { name: 'a settlement', pattern: /^select .*\.settle\(/, after: /^(?!insert into .*effects)/ },
  { name: 'a dead letter', pattern: /\.bury\(/ },
  { name: 'the begin of a handler', pattern: /^begin$/, nth: 3 },
  { name: 'the claim of a message', pattern: /insert into .*\.inbox/ },
  { name: 'a write of the handler', pattern: /insert into .*\.effects/ },
  { name: 'the settlement of a handler', pattern: /\.settle\(/, after: /insert into .*\.effects/ },
  { name: 'the commit of a handler', pattern: /^commit$/, after: /\.settle\(/ },
  { name: 'a later commit of a handler', pattern: /^commit$/, after: /\.settle\(/, nth: 4 },
  { name: 'the write of the application', pattern: /insert into .*\.written/ },
  { name: 'the publish of the application', pattern: /append_batch/, after: /insert into .*\.written/ },
  { name: 'the commit of the application', pattern: /^commit$/, after: /append_batch|xact_id/ },
  { name: 'locking the stream of a new consumer', pattern: /^select pg_advisory_xact_lock/ },
  { name: 'making a consumer', pattern: /insert into .*\.consumers/ },
  { name: 'the commit of a new consumer', pattern: /^commit$/, after: /insert into .*\.consumers/ },
]

let postgres: PostgresServer
beforeAll(async () => {
  postgres = await startPostgres()
})
afterAll(() => postgres.stop())

describe.each<Act>(['swallow and cut', 'cut before'] as Act[])('%s', (act) => {
  it.each(PLACES)('PG-U1: at $name', { timeout: 60_000 }, async ({ pattern, ...which }) => {
    await using lab = await DualLab.open(postgres)
    const bus = await lab.bus({ dual: { lease: 1000 } })
    const life = new Life(lab, bus)
    await life.prepare()
    const fault = lab.proxy.at(pattern, act, which)
    await life.live()
    await life.judge()
    expect(fault.isMet).toBe(true)
  })
})
