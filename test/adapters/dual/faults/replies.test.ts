/** A reply that never comes, and a statement that never arrives, at every statement of publish, relay, settle and what goes with them. */
import { afterAll, beforeAll, describe, it } from 'vitest'
import { jetstream } from '../../../../adapters/jetstream/index.js'
import type { Adapter } from '../../../../src/adapter.js'
import { until } from '../../../../testing/suite/expect.js'
import { startNats } from '../../../servers/nats-server.js'
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
  { name: 'moving what was delayed', pattern: /promote/ },
  { name: 'looking at the outbox', pattern: /select o\.first, o\.last/ },
  { name: 'taking a range of the outbox', pattern: /update .*outbox/ },
  { name: 'reading what is to be relayed', pattern: /from .*\.ledger l join .*\.streams/ },
  { name: 'ending a range of the outbox', pattern: /\.relayed\(/ },
  { name: 'looking for what others left', pattern: /select o\.stream_id, o\.first/ },
  { name: 'the heartbeat', pattern: /insert into .*\.relays/ },
  { name: 'a settlement', pattern: /^select .*\.settle\(/, after: /^(?!insert into .*effects)/ },
  { name: 'a dead letter', pattern: /\.bury\(/ },
  { name: 'the begin of a handler', pattern: /^begin$/ },
  { name: 'the claim of a message', pattern: /insert into .*\.inbox/ },
  { name: 'a write of the handler', pattern: /insert into .*\.effects/ },
  { name: 'the settlement of a handler', pattern: /\.settle\(/, after: /insert into .*\.effects/ },
  { name: 'the commit of a handler', pattern: /^commit$/, after: /\.settle\(/ },
  { name: 'a later commit of a handler', pattern: /^commit$/, after: /\.settle\(/, nth: 4 },
  { name: 'the write of the application', pattern: /insert into .*\.written/ },
  { name: 'the publish of the application', pattern: /append_batch/, after: /insert into .*\.written/ },
  { name: 'the commit of the application', pattern: /^commit$/, after: /append_batch|xact_id/ },
  { name: 'locking the stream of a new consumer', pattern: /^select pg_advisory_xact_lock/ },
  { name: 'the begin of a new consumer', pattern: /^begin isolation/ },
  { name: 'making a consumer', pattern: /insert into .*\.consumers/ },
  { name: 'the commit of a new consumer', pattern: /^commit$/, after: /insert into .*\.consumers/ },
]

/** Where the server has something to lose, or the client something to repeat. */
const COMMITS = PLACES.filter(({ name }) => /^a (delayed )?publish|^a settlement|dead letter|commit|ending/.test(name))
const TEST = { timeout: 60_000 }

let postgres: PostgresServer
beforeAll(async () => {
  postgres = await startPostgres()
})
afterAll(() => postgres.stop())

async function live(act: Act, { pattern, ...which }: Place, inner?: () => Adapter): Promise<void> {
  await using lab = await DualLab.open(postgres, inner === undefined ? {} : { inner })
  const bus = await lab.bus({ dual: { lease: 1000, statementTimeout: 400 } })
  const life = new Life(lab, bus)
  await life.prepare()
  const fault = lab.proxy.at(pattern, act, which)
  await life.live()
  await life.judge()
  // What comes at intervals may come later than all that.
  await until(() => fault.isMet, 'the fault to be met')
}

describe('a statement that never arrives', () => {
  it.concurrent.each(PLACES)('PG-U7: $name', TEST, (place) => live('cut before', place))
})

describe('a statement that is done, and its reply is lost with the connection', () => {
  it.concurrent.each(PLACES)('PG-U1: $name', TEST, (place) => live('swallow and cut', place))
})

describe('a statement that is done while its connection is lost already', () => {
  it.concurrent.each(COMMITS)('PG-U1: $name', TEST, (place) => live('cut at once', place))
})

describe('a statement that is done on a connection that stays open and silent', () => {
  it.concurrent.each(COMMITS)('PG-U1: PG-J2: $name', TEST, (place) => live('swallow', place))
})

describe('with JetStream behind the ledger, a statement that is done and its reply is lost', () => {
  it.concurrent.each(COMMITS)('PG-U1: $name', TEST, async (place) => {
    const nats = await startNats({ version: '2.15' })
    try {
      await live('swallow and cut', place, () => jetstream({ servers: nats.url }))
    } finally {
      await nats.stop()
    }
  })
})
